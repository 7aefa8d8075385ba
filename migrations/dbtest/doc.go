// Package dbtest gives tests a real Postgres: a database of their own, migrated, in milliseconds.
//
//	DB(t)     a clone of a migrated template database (CREATE DATABASE … TEMPLATE); when the test ends, invariants.sql is
//	          run on it, a row it returns fails the test, and the clone is dropped
//	URL(t)    the same as a connection string, for tests that start whole nodes
//	Empty(t)  a database without our schema, for tests of the migrations
//	Tx(t)     a transaction in one database that the package's tests share, rolled back when the test ends
//
// The server is, in this order:
//
//  1. TEST_DATABASE_URL, a superuser's. `make test` sets it (through migrations/dbtest/withdb), so that all packages share one.
//  2. A Docker engine, through ory/dockertest: image postgres:16-alpine, or JSRUNTIME_TEST_IMAGE as repository:tag. It is not
//     pulled when it is there already, and the container removes itself when the test process ends, by kill -9 too.
//  3. The machine's own binaries: a temporary cluster without fsync, which ends with this process whichever way that goes.
//
// JSRUNTIME_TEST_SERVER=docker or =local asks for one of the latter two and fails when it cannot be had.
//
// # How the second way was tried without a registry
//
// In November 2026, with dockerd 20.10 started by hand, on an image of Debian's own packages. Besides the tests' result,
// `docker ps -a` had to be empty afterwards, and 4 seconds after a kill -9 of withdb.
//
//	debootstrap --variant=minbase --include=postgresql-15 bookworm root
//	# root/usr/local/bin/docker-entrypoint.sh: initdb with $POSTGRES_PASSWORD, pg_hba "host all all all scram-sha-256",
//	# then exec "$@" as user postgres with listen_addresses='*', as the official image's does
//	tar -C root -c . | docker import --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'EXPOSE 5432' - jsruntime-test-postgres:15
//	export JSRUNTIME_TEST_SERVER=docker JSRUNTIME_TEST_IMAGE=jsruntime-test-postgres:15
//	go run ./migrations/dbtest/withdb go test ./migrations/... ./engine/ledger ./engine/catalog
//	go test ./engine/ledger       # a container of its own, under goleak
//
// A template is named after the migrations' content, and made once under an advisory lock, so that several test processes can
// share one server, and a server can outlive many versions of the schema.
package dbtest
