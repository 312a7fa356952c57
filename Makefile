# Everything a developer needs; docs/development.md says more.

GO       ?= go
BIN      := bin/wormscope
LINTER   := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 20s
PACKETS  ?= 4000000
RUNS     ?= 5
CACHE    := .cache
PCAPGEN  := $(wildcard cmd/pcapgen/*.go cmd/pcapgen/*/*.go)

.PHONY: build test race soak lint fuzz bench bench-exact bench-live bench-live-public bench-public profile golden pcaps pcaps-made pcaps-recorded bpf check clean

# On amd64 the binary is for processors like this one: those since 2013 shift and
# swap bytes in fewer steps. For all others: make build GOAMD64=v1
V3       := avx2 bmi1 bmi2 f16c fma abm movbe
GOAMD64  ?= $(if $(filter-out $(shell grep -m1 '^flags' /proc/cpuinfo 2>/dev/null),$(V3)),v1,v3)

build: ## one static binary, for this machine
	GOAMD64=$(GOAMD64) CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/wormscope

# Compiled by the profile, all packages would be compiled twice for tests.
TEST := $(GO) test -pgo=off

test: ## all tests, those with real tools included
	.ci/deps
	$(TEST) -timeout 20m ./...
	@if command -v pcap-config >/dev/null; then set -x; $(TEST) -tags libpcap ./capture/libpcap && $(TEST) -tags libpcap ./cmd/wormscope -run 'Live.*Libpcap'; fi

race: ## all tests under the race detector
	SOAK=$(or $(SOAK),20s) $(TEST) -race -timeout 40m ./...

soak: ## half an hour of feeds, files and interfaces that change under a sensor: root
	SOAK=$(or $(SOAK),30m) $(TEST) ./internal/soak -count 1 -v -timeout 0

lint: ## linters, module files, formatting, and whether it builds for systems without rings and for 32 bits
	$(LINTER) run ./...
	@if command -v pcap-config >/dev/null; then set -x; $(LINTER) run --build-tags libpcap ./capture/libpcap ./cmd/wormscope; fi
	CGO_ENABLED=0 GOOS=darwin $(GO) build -pgo=off -o bin/wormscope-darwin ./cmd/wormscope
	CGO_ENABLED=0 GOOS=linux GOARCH=386 $(GO) build -pgo=off -o bin/wormscope-386 ./cmd/wormscope
	$(GO) mod tidy -diff
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted:" $$unformatted; exit 1; }

chaos: ## brokers of Kafka that are away, or hang, for two minutes; make test has twenty seconds
	WORMSCOPE_CHAOS=1 $(GO) test ./sinks/kafka -count 1 -v -run 'TestOutboxRate|TestKilled|TestAway'

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for file in $$(git grep -l --untracked '^func Fuzz' -- '*_test.go'); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
	    echo "== $$target in $$(dirname $$file)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
	  done; \
	done

bench: build $(CACHE)/small.pcap $(CACHE)/large.pcap $(CACHE)/smb.pcap $(CACHE)/names.txt $(CACHE)/addresses.txt ## CPU a packet beside tcpdump, peak memory
	$(GO) build -o bin/bench ./internal/bench
	bin/bench -wormscope $(BIN) -runs $(RUNS) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(CACHE)/small.pcap $(CACHE)/large.pcap $(CACHE)/smb.pcap
	bin/bench -events -wormscope $(BIN) -runs $(RUNS) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(CACHE)/small.pcap

# What comes again and again is known after the first time, so that this is kinder
# to tables than traffic of that length would be.
PUBLIC := $(patsubst ../shared/pcaps/%/,$(CACHE)/public/%.pcap,$(wildcard ../shared/pcaps/*/))

bench-public: build $(PUBLIC) $(CACHE)/names.txt $(CACHE)/addresses.txt ## the same on each folder of public captures, repeated
	$(GO) build -o bin/bench ./internal/bench
	bin/bench -wormscope $(BIN) -runs $(RUNS) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(PUBLIC)

$(CACHE)/public/%.pcap: ../shared/pcaps/% $(PCAPGEN)
	@mkdir -p $(@D)
	$(GO) run ./cmd/pcapgen -repeat -packets 1000000 -out $@ $</*

bench-exact: build $(CACHE)/small.pcap $(CACHE)/names.txt $(CACHE)/addresses.txt ## instructions a packet of both, which no other load disturbs; needs valgrind, takes minutes
	$(GO) build -o bin/bench ./internal/bench
	bin/bench -exact -wormscope $(BIN) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(CACHE)/small.pcap

# A profile tells where its program was: nowhere that is of one machine. New samples
# are added to those that there are, which led to better code than either alone.
PROFILER := /dev/shm/wormscope-profile

profile: $(CACHE)/small.pcap $(CACHE)/large.pcap $(CACHE)/smb.pcap $(CACHE)/names.txt $(CACHE)/addresses.txt ## where replays spend their time, for the compiler: adds to cmd/wormscope/default.pgo
	$(GO) build -pgo=off -tags profile -trimpath -o $(PROFILER) ./cmd/wormscope
	@mkdir -p bin; set -ex; for n in 1 2 3; do for c in small large smb; do \
	  WORMSCOPE_PROFILE=bin/$$c$$n.pprof $(PROFILER) replay --feed $(CACHE)/names.txt --feed $(CACHE)/addresses.txt $(CACHE)/$$c.pcap >bin/profile.out; \
	done; done
	$(GO) tool pprof -proto cmd/wormscope/default.pgo bin/*.pprof >bin/all.pgo
	mv bin/all.pgo cmd/wormscope/default.pgo
	rm $(PROFILER)

bench-live: build $(CACHE)/small.pcap $(CACHE)/large.pcap $(CACHE)/names.txt $(CACHE)/addresses.txt ## the same on an interface: CPU a packet and losses beside tcpdump; needs root
	$(GO) build -o bin/bench-live ./internal/bench/live
	bin/bench-live -wormscope $(BIN) -bare -arg --kernel-filter -runs $(RUNS) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(CACHE)/small.pcap $(CACHE)/large.pcap

bench-live-public: build $(PUBLIC) $(CACHE)/names.txt $(CACHE)/addresses.txt ## the same with each folder of public captures, repeated
	$(GO) build -o bin/bench-live ./internal/bench/live
	bin/bench-live -wormscope $(BIN) -arg --kernel-filter -runs $(RUNS) -feed $(CACHE)/names.txt -feed $(CACHE)/addresses.txt $(PUBLIC)

$(CACHE)/small.pcap $(CACHE)/large.pcap $(CACHE)/smb.pcap $(CACHE)/flood.pcap: $(CACHE)/%.pcap: $(PCAPGEN)
	@mkdir -p $(CACHE)
	$(GO) run ./cmd/pcapgen -bench $* -packets $(PACKETS) -out $@

$(CACHE)/names.txt: $(PCAPGEN)
	@mkdir -p $(CACHE)
	$(GO) run ./cmd/pcapgen -names 1000000 -out $@

$(CACHE)/addresses.txt: $(PCAPGEN)
	@mkdir -p $(CACHE)
	$(GO) run ./cmd/pcapgen -addresses 100000 -out $@

golden: ## write the expected outputs anew; look at the difference
	$(TEST) -trimpath ./cmd/wormscope -run Golden -update

pcaps: pcaps-made pcaps-recorded ## make all captures of testdata/pcaps anew

pcaps-made: ## the generated ones: the same bytes each time
	$(GO) run ./cmd/pcapgen -out testdata/pcaps

pcaps-recorded: ## the recordings of real tools: needs root
	.ci/deps
	$(GO) test ./internal/testnet -count 1 -run TestRecord -record $(CURDIR)/testdata/pcaps

bpf: ## the program for the kernel anew, after a change of its source: needs clang and llvm-strip
	clang -O2 -g -Wall -Werror -mcpu=v2 -target bpf -ffile-prefix-map=$(CURDIR)/= -fdebug-compilation-dir=. -c capture/kernelfilter/bpf/filter.c -o capture/kernelfilter/filter.o
	llvm-strip -g capture/kernelfilter/filter.o

.PHONY: packages
packages: ## deb and rpm in dist/, for ARCH (default: this machine's)
	packaging/build dist $(ARCH)

check: lint test race ## what must be green before a push

clean:
	rm -rf bin dist $(CACHE)
