# jsruntime: `make` or `make help` lists what there is. Needs Go and a C++ compiler (V8 is linked into the worker).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One name for both binaries: node and worker of different builds refuse each other.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# The module's path stands in go.mod and the imports; make module changes it.
IMPORT_PATH := $(shell sed -n 's/^module //p' go.mod)
LDFLAGS := -X main.buildVersion=$(VERSION) -X $(IMPORT_PATH)/engine/internal/wire.stamped=$(VERSION)

# Pinned in .tools/go.mod, so that their dependencies are not ours.
TOOL := go tool -modfile=.tools/go.mod
SQLC ?= $(TOOL) sqlc
GOLANGCI_LINT ?= $(TOOL) golangci-lint
BENCHSTAT ?= $(TOOL) benchstat

# RACE=1 tests under the race detector. PKG narrows: make test PKG=./engine/... ; ARGS goes to go test.
PKG ?= ./...
ARGS ?=
RACEFLAG := $(if $(filter 1,$(RACE)),-race,)

# Tests that need a real worker find this one.
export JSRUNTIME_WORKER ?= $(CURDIR)/bin/jsruntime-worker
# A server for all packages of a run: TEST_DATABASE_URL if it is set, else Docker, else this machine's Postgres binaries.
WITH_DATABASE := go run ./migrations/dbtest/withdb

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## build, start a node with an embedded Postgres and the tenant "demo", print a curl line, open the console (Ctrl-C drains)
	@[ "$$(uname -s)" = Linux ] || { echo "jsruntime runs on Linux only: its workers need seccomp and namespaces."; exit 1; }
	@command -v g++ >/dev/null || { echo "g++ is missing: V8 is linked into the worker. On Debian and Ubuntu: apt-get install g++"; exit 1; }
	@[ -x bin/jsruntime-worker ] || echo "Building. The first time this downloads modules (V8 among them) and compiles for one to three minutes on two processors."
	@$(MAKE) --no-print-directory build
	@[ -n "$${JSRUNTIME_DATABASE_URL:-$${DATABASE_URL:-}}" ] || [ -d data/postgres ] || echo "Making a database in ./data, once: a few seconds with the Postgres of this machine, longer where one is downloaded."
	JSRUNTIME_OPEN_CONSOLE="$${JSRUNTIME_OPEN_CONSOLE:-true}" bin/jsruntime serve --demo

.PHONY: build
build: bin/jsruntime bin/jsruntime-worker ## bin/jsruntime (no V8 in it) and bin/jsruntime-worker

# Go's own cache decides whether there is anything to do.
.PHONY: bin/jsruntime bin/jsruntime-worker
bin/jsruntime:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/jsruntime
bin/jsruntime-worker:
	CGO_ENABLED=1 go build -trimpath -buildmode=pie -ldflags '$(LDFLAGS)' -o $@ ./cmd/jsruntime-worker

.PHONY: test
test: bin/jsruntime-worker ## all tests on a Postgres of their own (RACE=1: race detector, PKG=./engine/..., ARGS=-run=Name)
	$(WITH_DATABASE) go test $(RACEFLAG) -timeout 40m $(ARGS) $(PKG)

# HOSTILE=1 adds the hostile corpus.
.PHONY: test-cold
test-cold: ## the worker's tests with its warm path off, so that Go runs every request (HOSTILE=1: the hostile corpus too)
	WORKER_WARM=off go test -timeout 20m $(ARGS) ./engine/worker
	$(if $(filter 1,$(HOSTILE)),WORKER_WARM=off go test -count=1 -timeout 20m -run TestHostile ./engine)

# FAULTS=F1,F18b picks some; FAULTS_TABLE=bench/FAULTS.md writes the table.
FAULTS ?=
.PHONY: test-faults
test-faults: build ## real nodes and Postgres, killed, stopped, cut off and filled up (FAULTS=F1,F18b: these; CRASH_DURATION=10m: kills for longer)
	FAULTS_TABLE=$(abspath $(FAULTS_TABLE)) JSRUNTIME_FAULTS_ONLY=$(FAULTS) JSRUNTIME_BINARY=$(CURDIR)/bin/jsruntime go test -count=1 -timeout 60m -v $(ARGS) ./cmd/jsruntime/faults/...

# PG=16 or PG="15 16 17 18"; PKG=./engine/... for others than these.
PG ?= 15 16 17 18
POSTGRES_PKG := ./migrations/... ./scheduler/... ./engine/ledger/... ./engine/cluster/... ./cmd/jsruntime
.PHONY: test-postgres
test-postgres: bin/jsruntime-worker ## migrations, scheduler, ledger, whole nodes on other versions of Postgres (PG="16 18"; needs npm, fetches 23 MB each, once)
	.ci/postgres '$(PG)' $(ARGS) $(if $(filter ./...,$(PKG)),$(POSTGRES_PKG),$(PKG))

# The same floods in 2 s each are among the tests of ./cmd/jsruntime.
DOORS_DURATION ?= 60s
.PHONY: test-doors
test-doors: ## floods of imports, events, slow bodies and exports at a node of 2 GiB, each for DOORS_DURATION=60s (root: in a cgroup)
	DOORS_DURATION=$(DOORS_DURATION) DOORS_SIZE=full $(WITH_DATABASE) go test -count=1 -timeout 60m -v -run DoorsUnderFlood $(ARGS) ./cmd/jsruntime

.PHONY: generate
generate: ## sqlc's queries and the OpenAPI document
	$(SQLC) generate
	go generate ./...

.PHONY: console
console: ## bundle httpapi/console/src into httpapi/console/static, which is committed (needs npm)
	@.ci/console

.PHONY: verify
verify: lint types console-check wpt sanitize ## what a commit must pass: vet, lint, types, web-platform-tests, sanitizers, no dead code, generated code up to date, go.mod tidy, gofmt
	go vet ./...
	for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os go build -o /dev/null ./cmd/jsruntime; done # what authors use; 30 s of processor each, once
	$(SQLC) diff
	cd engine && go run ./internal/generate -check
	@dead=$$($(TOOL) deadcode -test ./...); [ -z "$$dead" ] || { echo "no program and no test reaches this:"; echo "$$dead"; exit 1; }
	go mod tidy -diff
	go mod verify
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt: $$bad"; exit 1; }

.PHONY: lint
lint: ## golangci-lint, as .golangci.yaml says (compiling it takes minutes, once)
	$(GOLANGCI_LINT) run ./...

.PHONY: types
types: ## jsruntime.d.ts by tsc --strict of TypeScript 5.9, 6 and 7, and the web API's JavaScript (needs npm, and says so where there is none)
	@.ci/types

.PHONY: console-check
console-check: ## the console's TypeScript by tsc, and that its built files are those of its sources (needs npm, and says so where there is none)
	@.ci/console -check

.PHONY: sanitize
sanitize: ## the C++ of engine/internal/warm under the sanitizers for addresses, undefined behaviour and threads (ROUNDS=200000: longer)
	@.ci/sanitize

.PHONY: module
module: ## give the module another path, where it will be fetched from: make module TO=github.com/you/jsruntime
	@[ -n "$(TO)" ] || { echo "set TO to the new path"; exit 2; }
	git grep -lF '$(IMPORT_PATH)' -- go.mod bench/peers/go.mod .golangci.yaml '*.go' | xargs sed -i 's#$(subst .,\.,$(IMPORT_PATH))#$(TO)#g'
	gofmt -w $$(git ls-files '*.go')

.PHONY: fmt
fmt: ## gofmt everything
	gofmt -w $$(git ls-files '*.go')

# BASE=ref compares with that commit's figures by benchstat.
BENCH ?= .
BENCHCOUNT ?= 6
.PHONY: bench
bench: build ## Go benchmarks of the parts (BENCH=Route, BENCHCOUNT=6, PKG=./engine/...; BASE=main: compared with that ref)
	@mkdir -p bin
	$(WITH_DATABASE) go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -timeout 60m $(PKG) | tee bin/bench.new
ifdef BASE
	rm -rf bin/base && git worktree prune && git worktree add --detach --force bin/base $(BASE)
	trap 'git worktree remove --force bin/base' EXIT; \
	  $(WITH_DATABASE) go -C bin/base test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -timeout 60m $(PKG) | tee bin/bench.old
	$(BENCHSTAT) bin/bench.old bin/bench.new
endif

ROUNDS ?= 3
.PHONY: bench-peers
bench-peers: build ## workerd, Deno, Bun, isolated-vm, Gin, River, graphile-worker and pg-boss beside us; writes bench/RESULTS.md (needs Node.js)
	cd bench/peers/js && npm install --no-audit --no-fund --ignore-scripts && npm rebuild isolated-vm --ignore-scripts=false --nodedir="$$(dirname "$$(dirname "$$(command -v node)")")"
	$(WITH_DATABASE) sh -c 'cd bench/peers && go run . -rounds $(ROUNDS) -out ../RESULTS.md $(ARGS)'
	cat bench/RESULTS.md

.PHONY: v8
v8: ## another binding to V8: MODULE=github.com/tommie/v8go VERSION=v0.37.0 into go.mod, then worker's checks, tests, corpus, benchmarks
	@.ci/v8 '$(MODULE)' '$(VERSION)'

.PHONY: soak
soak: build ## a node under mixed load for 30 minutes: does anything grow? writes bench/soak.svg and bench/SOAK.md (ARGS="-duration 5m -rate 50")
	$(WITH_DATABASE) go run ./bench/cmd/soak -svg bench/soak.svg -page bench/SOAK.md $(ARGS)

.PHONY: wpt
wpt: ## the web-platform-tests that Node.js carries, in our isolates, against what is expected (WPT=path/to/wpt ARGS="-v url": rates of another copy)
ifdef WPT
	go run ./engine/internal/webapi/wpt -wpt $(abspath $(WPT)) $(ARGS)
else
	@.ci/wpt $(ARGS)
endif

.PHONY: node-modules
node-modules: ## what scripts get for node:buffer and the like: engine/compile/nodelib/vendor from its package.json (needs npm)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp engine/compile/nodelib/package.json engine/compile/nodelib/package-lock.json "$$dir" && \
	npm ci --prefix "$$dir" --ignore-scripts --no-audit --no-fund && go run ./engine/compile/nodelib -modules "$$dir" -out engine/compile/nodelib/vendor

# BINARIES=1 packs the programs of this system too.
.PHONY: npm
npm: $(if $(BINARIES),build) ## bin/jsruntime-VERSION.tgz, the npm package: types, schema, launcher, test kit (BINARIES=1: with the programs)
	go run ./cmd/npm -out bin -version '$(VERSION)' $(if $(BINARIES),-binaries bin)

.PHONY: global-types
global-types: ## the types of a script's globals: engine/internal/webapi/globals.d.ts from TypeScript's lib.webworker (needs npm)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp engine/internal/webapi/testdata/types/package.json "$$dir" && \
	npm install --prefix "$$dir" --ignore-scripts --no-audit --no-fund --silent && go run ./engine/internal/webapi/globaltypes -modules "$$dir"

.PHONY: clean
clean: ## what was built; data/ stays
	rm -rf bin
