# What people and machines type here. `make` alone lists it.
# Each step of the setup leaves a stamp in .setup/, so that a second `make` has nothing to do.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PY := .venv/bin/python
BIN := .venv/bin
MODULE := src/whimbrel/crypto/_mls.abi3.so
RUST := native/Cargo.toml native/Cargo.lock $(wildcard native/src/*.rs native/src/*/*.rs)
# What the page is made of, and where it is built to.
PAGE := $(wildcard web/*.ts web/*.json web/*.js web/index.html) $(shell find web/src web/public -type f 2>/dev/null)
PAGE_OUT := src/whimbrel/app/page
# The crate once more for tests alone, over a second crypto provider: never part of the package.
PROOFS := .setup/_mls_proofs.abi3.so
DARWIN := $(filter Darwin,$(shell uname))

# Two workers unless asked otherwise: a test file stays on one of them, and files with real processes come last.
WORKERS ?= 2
# More words for the program or for pytest: `make run ARGS='--port 8000'`, `make test ARGS='-x tests/wire'`.
ARGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: .setup/native .setup/page ## prepare everything, start nothing; afterwards .venv/bin/whimbrel is the command

.PHONY: run
run: setup ## start Whimbrel with a relay inside; asks for a name at the first start
	@exec $(BIN)/whimbrel app $(ARGS)

.PHONY: demo
demo: setup ## two people's pages, the ways between them, and switches that break their network; ends without a trace
	@exec $(PY) -m demo $(ARGS)

.PHONY: test
test: setup $(PROOFS) .setup/interop .setup/browser .setup/lab .setup/peers ## all tests; the ones with real processes come last
	@$(if $(ARGS),true,npm --prefix web test --silent)
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: check
check: setup ## format, lint, types, import directions, and the same for the page and the crate
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix web run --silent check
	cargo fmt --manifest-path native/Cargo.toml --check
	cargo clippy --quiet --manifest-path native/Cargo.toml --release --all-targets --features proofs --locked -- -D warnings

.PHONY: bench
bench: setup .setup/browser ## one figure for each question, beside peers and aims; ONLY='relay store' runs some; records in bench/out/
	@$(PY) bench/run.py $(ONLY) $(ARGS)

.PHONY: soak
soak: setup ## kill relays and clients a thousand times, change a group all at once; about an hour
	@$(PY) soak/run.py $(ARGS)

# GO_ON=1 goes on with a run that was stopped, on the same commit.
LAB_GO_ON := $(if $(GO_ON),--go-on)

.PHONY: lab
lab: setup .setup/lab ## blocked networks in a box: every measure, 20 repeats (an hour and a half); ARGS='--measure S4 --repeat 1' for less
	@$(PY) -m lab run --repeat 20 --every 0.5 --files-in 2 --jobs 16 $(LAB_GO_ON) $(ARGS)

# Other messengers and Whimbrel in the same networks, for docs/lab-peers.md. Fewer messages than `make lab`: most of the time goes to those
# that do not come back.
PEER_RUNS := lab/out-peers$(if $(ARGS),-some)
.PHONY: lab-peers
lab-peers: setup .setup/lab .setup/peers ## other messengers in the same networks (two hours); ARGS='--peer xmpp --measure S4 --repeat 1' for less
	@$(PY) -m lab run --peer all --mode cut,kept --repeat 5 --messages 10 --every 1 --patience 45 --files-in 2 --file-patience 300 \
		--jobs 40 --out $(PEER_RUNS) $(LAB_GO_ON) $(ARGS) || test -s $(PEER_RUNS)/results.json
	@$(PY) -m lab table $(PEER_RUNS) --peers $(if $(ARGS),,--write-docs)

# Minutes for each target, and how many of them at a time; ARGS='wire chat-content' runs those whose names begin so.
MINUTES ?= 1
JOBS ?= 1

.PHONY: fuzz
fuzz: .setup/fuzz ## every parser against hostile input, MINUTES=n for each; record in bench/out/
	@$(PY) -m fuzz.run --minutes $(MINUTES) --jobs $(JOBS) $(ARGS)

.PHONY: clean
clean: ## remove what setup, tests and builds made; homes and relays of people are not touched
	rm -rf .venv .setup .mypy_cache .ruff_cache .import_linter_cache .hypothesis native/target bench/out dist tests/interop/node_modules tests/page/node_modules tests/page/out web/node_modules $(PAGE_OUT) $(MODULE)
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the steps of the setup --------------------------------------------------------------------------------

.setup/tools: .ci/tools
	@mkdir -p .setup
	@.ci/tools > $@.new && mv $@.new $@

# The interpreter that .ci/tools found is the one line of its stamp.
.setup/python: .setup/tools requirements/dev.lock $(if $(wildcard $(PY)),,absent)
	@test -x $(PY) || { echo "Making .venv"; "$$(cat .setup/tools)" -m venv .venv; }
	@echo "Installing the locked Python packages"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

.setup/native: .setup/python $(RUST) pyproject.toml $(if $(and $(wildcard $(MODULE)),$(wildcard $(BIN)/whimbrel)),,absent)
	@echo "Building the crate in native/ (about a minute the first time)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" MATURIN_PEP517_ARGS="--locked" \
		$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What builds the page; nothing of it but Svelte's small runtime is in the page.
.setup/page-tools: .setup/tools web/package.json web/package-lock.json $(if $(wildcard web/node_modules/vite),,absent)
	@echo "Installing what builds the page"
	@npm ci --prefix web --ignore-scripts --prefer-offline --no-audit --no-fund --silent
	@touch $@

# The page, from web/ into the package. The build takes the place of the old one only when it is whole.
.setup/page: .setup/page-tools $(PAGE) $(if $(wildcard $(PAGE_OUT)/index.html),,absent)
	@echo "Building the page"
	@cd web && npx --no-install vite build --logLevel warn --outDir ../.setup/page.new
	@rm -rf $(PAGE_OUT) && mv .setup/page.new $(PAGE_OUT)
	@echo "Ready. \`make run\` starts Whimbrel; .venv/bin/whimbrel is the command."
	@touch $@

# Python is not linked: its symbols come with the interpreter that loads the module, which macOS must be told.
$(PROOFS): .setup/native $(wildcard native/proofs/*.rs)
	@echo "Building the crate with a second crypto provider, for tests (about a minute the first time)"
	@PYO3_PYTHON="$(CURDIR)/$(PY)" cargo rustc --quiet --manifest-path native/Cargo.toml --target-dir native/target --release \
		--locked --features proofs,pyo3/extension-module --example _mls_proofs \
		$(if $(DARWIN),-- -C link-arg=-undefined -C link-arg=dynamic_lookup)
	@cp native/target/release/examples/lib_mls_proofs.$(if $(DARWIN),dylib,so) $@.new && mv $@.new $@

# An MLS client that is not ours, for tests/interop. Without npm these tests are skipped, which with CI=true is a failure.
.setup/interop: tests/interop/package-lock.json tests/interop/package.json $(if $(wildcard tests/interop/node_modules/ts-mls),,absent)
	@mkdir -p .setup
	@if ! command -v npm >/dev/null; then \
		echo "npm is missing (Node.js 20.19 or newer): no test with an MLS client that is not ours."; test "$$CI" != true; \
	elif echo "Installing ts-mls, for tests"; \
		npm ci --prefix tests/interop --ignore-scripts --prefer-offline --no-audit --no-fund --silent; then touch $@; \
	else echo "ts-mls could not be installed: no test with an MLS client that is not ours."; test "$$CI" != true; fi

# Chromium, fonts and a finder of faults of accessibility, for tests/page and bench/page. Without them these tests are skipped,
# which with CI=true is a failure.
.setup/browser: .ci/tools tests/page/package-lock.json tests/page/package.json $(if $(wildcard tests/page/node_modules/axe-core),,absent)
	@mkdir -p .setup
	@if ! .ci/tools browser; then \
		echo "No test of the page in a browser."; test "$$CI" != true; \
	elif ! command -v npm >/dev/null; then \
		echo "npm is missing (Node.js 20.19 or newer): no test of the page's accessibility."; test "$$CI" != true; \
	elif npm ci --prefix tests/page --ignore-scripts --prefer-offline --no-audit --no-fund --silent; then touch $@; \
	else echo "axe-core could not be installed: no test of the page's accessibility."; test "$$CI" != true; fi

# What the lab is built of, for tests/lab. Where it cannot be (root and Linux are needed) these tests are skipped, which with CI=true is
# a failure.
.setup/lab: .ci/tools
	@mkdir -p .setup
	@if .ci/tools lab; then touch $@; else echo "No test in the lab's networks."; test "$$CI" != true; fi

# What the lab's peers are made of, for `make lab-peers` and tests/lab/test_peers.py. Likewise.
.setup/peers: .ci/tools .setup/python requirements/peers.lock
	@mkdir -p .setup
	@if .ci/tools peers && echo "Installing the packages of the lab's peers" && \
		$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.lock; then touch $@; \
	else echo "No test of the lab's peers."; test "$$CI" != true; fi

# The fuzzer is no part of the development environment: nothing but `make fuzz` needs it.
.setup/fuzz: .setup/native requirements/fuzz.lock
	@echo "Installing the fuzzer"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.lock
	@touch $@

.PHONY: absent
absent:
