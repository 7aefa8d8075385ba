// Package postgres runs a Postgres server of the node's own in its data directory, for operators who bring none.
//
//	data-dir/
//	  postgres.lock       held by the node while it lives, and then gone; a second node in the same directory is refused
//	  postgres.password   of the superuser "postgres", mode 0600
//	  postgres.port       the port of the last start, used again while it is free
//	  postgres/           owned by the user that Postgres runs as
//	    data/             the cluster; made as data.new and renamed, so that a half-made one is never taken for whole
//	    log, log.1        what the server says, rotated at start beyond 8 MiB
//	  postgres-bin/       downloaded binaries, only where the machine has none
//
// Binaries: Config.Binaries, else the newest of /usr/lib/postgresql/*/bin (and the other usual places), else PATH, else a
// download by fergusstrange/embedded-postgres. A cluster is always started with binaries of its own major version.
//
// The server listens on 127.0.0.1 only, with a password (SCRAM), and on no Unix socket. The node connects as the role "jsruntime", which
// owns the database and is neither superuser nor able to make roles and databases. Of what only superusers may set it may set
// session_replication_role, by which the history's foreign keys are checked once a batch. The superuser is for maintenance:
//
//	PGPASSWORD=$(cat data/postgres.password) psql -h 127.0.0.1 -p $(cat data/postgres.port) -U postgres jsruntime
//
// # Started as root
//
// Postgres refuses to run as root, so it runs as the owner of an existing cluster, else as user postgres, else as user nobody.
// That user often cannot walk to the data directory (/root has mode 0700), so the directory is opened by the node and
// inherited as descriptor 3: the server knows it as /proc/self/fd/3, which needs no permission on the way there.
//
// # What happens when something dies
//
//	node ends by signal        Stop: fast shutdown, a checkpoint, no recovery at the next start
//	node killed with -9        Postgres keeps running. The next Start finds its pid, stops it and starts it anew
//	both killed                postmaster.pid is stale: removed after /proc shows that its pid is no Postgres of this directory
//	only Postgres dies         Run starts it again at the same port; the pool reconnects by itself
//	machine loses power        Postgres recovers from its log: fsync and full_page_writes stay on
package postgres
