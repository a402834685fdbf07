# edgectl's tasks; `make` alone lists them. All that is needed beforehand is Node with npm: bun comes through npm.
BUN := node_modules/.bin/bun
STEP := scripts/step.sh
SOURCES := $(shell find cmd internal -type f 2>/dev/null)
BUILD_SCRIPTS := scripts/bases.ts scripts/build-info.ts scripts/compile.ts
NOT_UNIT := test/contract test/sim test/faults test/e2e test/emulated test/bench test/support test/fixtures test/oracle test/tidy
UNIT := $(patsubst %,./%/,$(filter-out $(NOT_UNIT),$(sort $(patsubst %/,%,$(wildcard test/*/)))))

# What a test may take that says nothing of it: a machine that is busy makes none of them fail.
PATIENT := --timeout 60000
.PHONY: e2e-sea-missing help deps build release check types lint tidy unit contract contract-node test e2e e2e-sea emulated bench demo clean sim sim-test sim-mutants faults faults-test
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

deps: node_modules/.package-lock.json ## install what package-lock.json names, when it is newer than node_modules

# Not `npm ci`: it refuses a lock file that lacks the packages of other platforms, which not every registry carries.
# This way too takes exactly the locked versions and hashes, and leaves the lock file alone.
node_modules/.package-lock.json: package-lock.json
	npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

build: dist/edgectl ## build dist/edgectl for this machine

dist/edgectl: $(SOURCES) $(BUILD_SCRIPTS) package.json node_modules/.package-lock.json
	$(BUN) scripts/compile.ts --outfile $@

dist/edgectl-node.cjs: $(SOURCES) $(BUILD_SCRIPTS) scripts/node-bundle.ts package.json node_modules/.package-lock.json
	$(BUN) scripts/node-bundle.ts --outfile $@

release: deps ## build, pack and sum every file of a release into dist/
	$(BUN) scripts/release.ts

check: types lint tidy unit ## types, lint, tidy and unit tests, in under a minute

types: deps ## types of sources, tests and scripts
	@$(STEP) types node_modules/.bin/tsc --noEmit -p .
	@$(STEP) types-scripts node_modules/.bin/tsc --noEmit -p scripts

lint: deps ## lint and format
	@$(STEP) lint node_modules/.bin/biome check --error-on-warnings .

tidy: deps ## house style: layers, banned calls, names, lengths
	@$(STEP) tidy $(BUN) test $(PATIENT) --only-failures ./test/tidy/

unit: deps ## unit tests: everything under test/ that needs no built executable
	@$(STEP) unit $(BUN) test $(PATIENT) --only-failures $(or $(UNIT),./test/none/)

contract: deps ## the contract suites on Bun: files, processes, network, SQLite, PostgreSQL
	@$(STEP) contract scripts/bun-tests.sh ./test/contract/

contract-node: deps ## the contract suites on Node
	@$(STEP) contract-node scripts/contract-node.sh ./test/contract/

# The Node single executable is made on and for x64: elsewhere its tests are skipped by name.
SEA := $(if $(filter x86_64,$(shell uname -m)),e2e-sea,e2e-sea-missing)

test: check contract contract-node sim-test e2e faults-test $(SEA) emulated ## all tests; parts without their real thing are skipped (EDGECTL_TEST_REQUIRE=1: fail)

sim: deps ## simulated clusters until a promise breaks [SEED=...] [RUNS=n]
	@SEED="$(SEED)" RUNS="$(RUNS)" sh -c '[ -n "$$SEED" ] || unset SEED; [ -n "$$RUNS" ] || unset RUNS; exec $(BUN) test/sim/main.ts'

sim-test: deps ## simulated clusters: seeds that failed once, and fresh ones of this commit
	@$(STEP) sim $(BUN) test --only-failures ./test/sim/

sim-mutants: deps ## plants bugs in copies of the sources and lets the simulator find each
	$(BUN) test/sim/mutants.ts

e2e: build ## tests of dist/edgectl as a black box
	@$(STEP) e2e scripts/bun-tests.sh ./test/e2e/

faults: build ## two minutes of real faults, and what a power cut leaves [SEED=...] [FAULT_SECONDS=n]
	@FAULT_SECONDS="$(or $(FAULT_SECONDS),120)" SEED="$(SEED)" $(BUN) test ./test/faults/

faults-test: build ## the same, shorter: killed and paused processes, cut links, full disks, torn files
	@$(STEP) faults scripts/bun-tests.sh ./test/faults/

dist/edgectl-linux-x64-sea: dist/edgectl-node.cjs scripts/sea.ts
	$(BUN) scripts/sea.ts --target x64 --bundle dist/edgectl-node.cjs --outfile $@

e2e-sea: dist/edgectl-linux-x64-sea ## the same tests of the Node single executable
	@$(STEP) e2e-sea env EDGECTL_BIN=dist/edgectl-linux-x64-sea scripts/bun-tests.sh ./test/e2e/

e2e-sea-missing:
	@echo "== e2e-sea: skipped, this machine is $(shell uname -m) and the test's Node executable is x86_64"
	@[ "$(EDGECTL_TEST_REQUIRE)" != 1 ]

emulated: build dist/edgectl-node.cjs ## tests on the processors of small devices, emulated by qemu
	@$(STEP) emulated scripts/bun-tests.sh ./test/emulated/

bench: build ## benchmarks, as JSON
	$(BUN) test/bench/main.ts

demo: build ## a one-minute tour on this machine
	@scripts/demo.sh

clean: ## remove what was built; downloads stay in .cache/
	rm -rf dist .cache/steps
