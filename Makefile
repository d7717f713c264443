# Everything here needs Go, a C compiler and the Go module proxy, nothing else.
# The tools (buf, staticcheck) have a module of their own, tools.mod.

FUZZTIME  ?= 20s
BENCH     ?= .
BENCHTIME ?= 1s
TUPLES    ?= 300000
DATA      ?= data
SEEDS     ?= 1000
FIRST     ?= 1
SIMTIME   ?= 30m
CLUSTER_DATA ?= data-cluster
CLUSTERTIME  ?= 10m
ZED_VERSION  ?= v0.18.1
ZED          ?= bin/zed-$(ZED_VERSION)
SPICEDB_VERSION ?= v1.56.2
SPICEDB      ?= bin/spicedb-$(SPICEDB_VERSION)

# Builds are stamped with the commit where git can tell it, and are not where
# there is no git, or one that does not trust the folder.
ifneq ($(shell git status >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

.DEFAULT_GOAL := help
.PHONY: FORCE help build run run-cluster example assertions test test-long test-race test-sim test-cluster test-upgrade test-zed test-spicedb lint check bench bench-go bench-cluster bench-authzed pgo fuzz proto clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

PROGRAMS := bin/tupelo bin/gitclub-web bin/gitclub-jobs bin/gitclub-rounds bin/gitclub-assert

build: $(PROGRAMS) ## Build bin/tupelo and the example's programs

# Go knows best what has to be built again.
bin/tupelo: FORCE
	go build -o $@ ./cmd/tupelo
bin/gitclub-%: FORCE
	go build -o $@ ./examples/gitclub/$*

run: bin/tupelo ## Start a server on ./data with GitClub loaded; Ctrl-C stops it
	@examples/gitclub/run bin/tupelo $(DATA)

run-cluster: bin/tupelo ## Start three servers that are one, on ./data-cluster; Ctrl-C stops them
	@examples/gitclub/run-cluster bin/tupelo $(CLUSTER_DATA)

example: build ## Play 1,000 rounds of GitClub's web against its jobs (with TUPELO_ADDR set: on that server)
	bin/gitclub-rounds $(if $(TUPELO_ADDR),-tupelo "$(TUPELO_ADDR)")

assertions: bin/gitclub-assert ## Ask the server that `make run` started every assertion of GitClub's policy
	bin/gitclub-assert $(if $(TUPELO_ADDR),-tupelo "$(TUPELO_ADDR)")

test: ## Run all tests
	go test ./...

# Tests that ask random worlds log how many checks and lists they compared with
# the oracle; `make test` asks a twentieth of what this does.
test-long: ## Compare millions of checks and lists with the oracle, and caches with none: half an hour
	go test -v -timeout 90m -run 'Oracle|Allow|Condition|DepthLimit|Sound|WhateverTheCache' ./rewrite ./api ./replica -long

# A seed that failed is played again with -seed N -times 20, and its history, which
# is kept, is judged again with -history FILE; see the package's documentation.
test-sim: ## Play simulated clusters while everything breaks (SEEDS=1000 FIRST=1 SIMTIME=30m)
	go test -v -count 1 -timeout 3h ./raft/sim -seeds $(SEEDS) -first $(FIRST) -budget $(SIMTIME) -rounds 10000

# Needs namespaces for the network faults and the full disk, and says what it left
# out without. Its history and the nodes' logs are kept if it fails.
test-cluster: bin/tupelo ## Break what is around three processes, under load (CLUSTERTIME=10m)
	go test -v -count 1 -timeout 3h ./cmd/tupelo/clustertest -run Survive -for $(CLUSTERTIME) -tupelo $(CURDIR)/bin/tupelo

# The older program is that of a commit with the format before: see docs/cluster.md.
OLD_COMMIT ?= 1611c40
bin/tupelo-old:
	@rm -rf bin/old && git worktree prune && git worktree add -f --detach bin/old $(OLD_COMMIT) >/dev/null
	cd bin/old && go build -buildvcs=false -o ../tupelo-old ./cmd/tupelo
	@git worktree remove --force bin/old

test-upgrade: bin/tupelo bin/tupelo-old ## Upgrade three processes node by node, under load (OLD_COMMIT=…)
	go test -v -count 1 -timeout 10m ./cmd/tupelo/clustertest -run Upgraded -tupelo $(CURDIR)/bin/tupelo -old $(CURDIR)/bin/tupelo-old

# Programs of others are built outside this module, each in an empty one that needs a
# version of it: `go install …@version` reads the list of a module's versions too,
# which some proxies refuse. Checksums are verified as ever.
define build-other
	@rm -rf $@-module && mkdir -p $@-module
	cd $@-module && go mod init other && go mod edit -require $(1)@$* && go build -mod=mod -o ../$(@F) $(1)/cmd/$(2)
	@rm -rf $@-module
endef

bin/zed-%:
	$(call build-other,github.com/authzed/zed,zed)
bin/spicedb-%:
	$(call build-other,github.com/authzed/spicedb,spicedb)

# ZED_VERSION is one that the checksum database knows.
test-zed: bin/tupelo $(ZED) ## Drive SpiceDB's command line against bin/tupelo (ZED=path to one that there is)
	go test -v -count 1 ./cmd/tupelo/zedtest -zed $(abspath $(ZED)) -tupelo $(CURDIR)/bin/tupelo

test-spicedb: bin/tupelo $(SPICEDB) $(ZED) ## Compare bin/tupelo with SpiceDB itself, by protocol and by zed (SPICEDB=path, ZED=path)
	go test -v -count 1 ./cmd/tupelo/spicedbtest -spicedb $(abspath $(SPICEDB)) -tupelo $(CURDIR)/bin/tupelo
	go test -v -count 1 ./cmd/tupelo/zedtest -run Both -zed $(abspath $(ZED)) -spicedb $(abspath $(SPICEDB)) -tupelo $(CURDIR)/bin/tupelo

test-race: ## Run all tests with the race detector
	go test -race -timeout 25m ./...

lint: ## Check format, vet, staticcheck, and the example's schema and policy
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w is needed on:"; echo "$$files"; exit 1; }
	go vet ./...
	go tool -modfile=tools.mod staticcheck ./...
	go run ./cmd/tupelo schema fmt --check examples/gitclub/schema.zed
	go run ./cmd/tupelo validate examples/gitclub --min-coverage 100

check: lint test ## What a commit needs

# Three minutes: each workload for five seconds, and what calls cost without a store,
# and a store without calls.
BENCHLOAD = --tuples 100k --in-flight 1,16 --duration 5s --warm-up 1s
bench: bin/tupelo ## Measure a server under load, judging every answer (BENCHFLAGS='--tuples 1M')
	bin/tupelo bench $(BENCHLOAD) --workload import,check,check-fully-consistent,batch-check,list-objects,list-subjects,write,mixed-99-1,watch $(BENCHFLAGS)
	bin/tupelo bench $(BENCHLOAD) --target echo $(BENCHFLAGS)
	bin/tupelo bench $(BENCHLOAD) --target in-process $(BENCHFLAGS)

bench-go: ## Run the benchmarks in Go (BENCH=regexp BENCHTIME=1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 60m ./...

bench-cluster: ## Measure a cluster: writes, reads, catching up (TUPLES=300000 BENCHFLAGS='-only writes')
	go run ./bench/cluster -tuples $(TUPLES) $(BENCHFLAGS)

bench-authzed: ## Measure calls of SpiceDB's clients beside a server that does nothing (TUPLES=300000 BENCHTIME=1s)
	go test -run '^$$' -bench Authzed -benchtime $(BENCHTIME) -timeout 60m ./bench -authzed-tuples $(TUPLES)

# A build can be guided by it: go build -pgo bin/server.pgo ./cmd/tupelo. None is kept
# in the repository: in five turns with and without, a check took no less of the
# processors with it, and every first build would compile all dependencies again.
pgo: ## Profile a server under all kinds of calls into bin/server.pgo (TUPLES=300000 BENCHTIME=1s)
	@mkdir -p bin
	go test -run '^$$' -bench 'Authzed/.*/inflight=64$$' -benchtime $(BENCHTIME) -timeout 60m ./bench -authzed-tuples $(TUPLES) -authzed-profile $(CURDIR)/bin/server.pgo

fuzz: ## Run each fuzz target for FUZZTIME=20s
	@grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
			echo "== $$(dirname "$$file") $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$(dirname "$$file")" </dev/null || exit 1; \
		done; \
	done

proto: ## Generate api/tupelov1 and api/peerv1 from api/proto
	go generate ./api ./api/peer

clean: ## Remove what was built, ./data and ./data-cluster
	rm -rf bin data data-cluster
