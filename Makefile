# Puna's commands; `make` alone lists them. Needs make and a Python 3.11 to 3.14, nothing else.
.DEFAULT_GOAL := help
.PHONY: help conformance demo test check crash proof check-native check-oldest install native bench bench-lumibot lock clean

VENV := .venv
OLDEST := .venv-3.11
LUMIBOT := .venv-lumibot
BIN := $(VENV)/bin
PYTEST := -m pytest -q -n 2
CORE_TESTS := tests/core tests/wire tests/alpaca tests/engine tests/native tests/nautilus
PURE_TESTS := tests/core tests/wire tests/native
SOURCES := src tests benchmarks examples tools

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(VENV)/$(if $(findstring --services,$(ARGS)),bus,core).installed ## a trading day in about ten seconds: no account, no keys, no network
	@$(BIN)/puna demo $(ARGS)

test: $(VENV)/native.installed ## all tests but the long trials, in ten minutes on two cores
	@$(BIN)/python $(PYTEST) -m "not slow and not campaign" $(ARGS)

install: $(VENV)/core.installed ## only make .venv with the puna command
	@echo "installed: $(BIN)/puna"

check: $(VENV)/native.installed ## everything but the long campaign: lint, types, import contracts, tests, the oldest Python
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory check-native
	@$(BIN)/python $(PYTEST) -m "not campaign"
	@$(MAKE) --no-print-directory check-oldest

native: $(VENV)/native.installed ## build the optional native package, where there is a Rust toolchain

check-native: $(VENV)/native.installed ## lint and test the native package itself
	@if $(BIN)/python -c 'import puna_native' 2>/dev/null; then \
	    cargo fmt --check --manifest-path native/Cargo.toml && \
	    cargo clippy --quiet --locked --manifest-path native/Cargo.toml --all-targets -- -D warnings && \
	    cargo test --quiet --locked --manifest-path native/Cargo.toml --no-default-features && \
	    $(BIN)/python -m mypy.stubtest puna_native --allowlist native/stubtest-allowed.txt; \
	else echo "puna: no native package here, so it was not checked"; fi

check-oldest: ## the core's tests on Python 3.11 and without the native package; on the newest where there is no 3.11
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	    echo "puna: $(VENV) is Python 3.11 already"; PUNA_NATIVE=0 $(BIN)/python $(PYTEST) $(PURE_TESTS); \
	elif sh tools/find-python 3.11 >/dev/null; then \
	    $(MAKE) --no-print-directory $(OLDEST)/dev.installed && PUNA_NATIVE=0 $(OLDEST)/bin/python $(PYTEST) -m "not slow and not campaign" $(CORE_TESTS); \
	else \
	    echo "puna: no Python 3.11 on this machine, so the tests did not run on it"; \
	    PUNA_NATIVE=0 $(BIN)/python $(PYTEST) $(PURE_TESTS); \
	fi

crash: $(VENV)/dev.installed ## the long campaign: thousands of SIGKILLs and lost answers, in about ten minutes
	@$(BIN)/python $(PYTEST) tests/crash $(ARGS)

conformance: $(VENV)/dev.installed ## the exchange against both official specifications, three hundred examples an operation
	@$(BIN)/python $(PYTEST) tests/exchange/conformance -m campaign $(ARGS)

proof: $(VENV)/dev.installed ## the exchange's ledger after ten thousand random days, in about ten minutes
	@$(BIN)/python -m pytest -q tests/exchange/venue/test_ledger_proof.py $(ARGS)

bench: $(VENV)/native.installed ## measure every hot path against its anchors, one table; ARGS=--quick for a look
	@$(BIN)/python -m benchmarks $(ARGS)

bench-lumibot: $(VENV)/native.installed $(LUMIBOT)/installed ## measure a backtest against Lumibot's, which brings 300 packages (1.9 GB)
	@$(BIN)/python -m benchmarks lumibot $(ARGS)

lock: ## write locks/*.txt anew (needs uv); ARGS=--upgrade takes the newest versions
	@sh tools/lock $(ARGS)

clean: ## remove what make and the tools made; runs/ stays
	@rm -rf $(VENV) $(OLDEST) $(LUMIBOT) build dist src/*.egg-info
	@rm -rf native/target .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/core.installed: locks/core.txt pyproject.toml
	@if [ -e $(VENV)/dev.installed ]; then $(MAKE) --no-print-directory $(VENV)/dev.installed; \
	else sh tools/install $(VENV) locks/core.txt; fi
	@touch $@

$(VENV)/bus.installed: locks/bus.txt pyproject.toml
	@if [ -e $(VENV)/dev.installed ]; then $(MAKE) --no-print-directory $(VENV)/dev.installed; \
	else sh tools/install $(VENV) locks/bus.txt; fi
	@touch $@ $(VENV)/core.installed

$(VENV)/dev.installed: locks/dev.txt pyproject.toml
	@sh tools/install $(VENV) locks/dev.txt
	@touch $@ $(VENV)/core.installed

$(VENV)/native.installed: $(VENV)/dev.installed native/Cargo.toml native/Cargo.lock $(wildcard native/src/*.rs)
	@sh tools/build-native $(VENV)
	@touch $@

$(OLDEST)/dev.installed: locks/dev.txt pyproject.toml
	@sh tools/install $(OLDEST) locks/dev.txt 3.11
	@touch $@

$(LUMIBOT)/installed: benchmarks/lumibot.txt
	@sh tools/install $(LUMIBOT) benchmarks/lumibot.txt any packages
	@touch $@
