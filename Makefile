# `make demo` and `make test` do all their own set-up; everything else is for those who work on the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 6
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What was compiled once is not compiled again by every process a test starts, whatever the machine says.
export PYTHONDONTWRITEBYTECODE :=
CONNECTORS_NEED := $(wildcard src/counterfoil/connectors/*/requirements*.txt tests/kit/trial_connectors/*/requirements*.txt)

.PHONY: demo test check crash soak bench mutate conformance lock clean

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Counterfoil needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing locked dependencies into $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## play one month through the sandboxes and prove that every total is equal; pass arguments with ARGS="..."
	@$(BIN)/counterfoil demo $(ARGS)

# Each worker would compile all tests for itself: after an installation one does it for all, while the types are looked at.
COMPILED = test -e $(VENV)/.compiled || { $(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1; touch $(VENV)/.compiled; };

# $(call beside,A,B): B, and A at the same time; what A printed comes whole after what B printed. It fails if either does.
define beside
told=$$(mktemp) && trap 'exit 130' INT TERM && trap 'kill $$beside 2>/dev/null; rm -f "$$told"' EXIT; \
$(1) >"$$told" 2>&1 & beside=$$!; \
$(2); status=$$?; \
wait $$beside || { other=$$?; test $$status -ne 0 || status=$$other; }; \
cat "$$told"; exit $$status
endef

test: $(STAMP) ## everything CI runs: style, types, import contracts, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(call beside,$(BIN)/mypy,$(COMPILED) $(PYTEST) $(ARGS))

check: $(STAMP) ## everything CI runs, or all that is about one connector: make check c=stripe
ifdef c
	@$(BIN)/ruff check src/counterfoil/connectors/$(c)
	@$(BIN)/ruff format --check src/counterfoil/connectors/$(c)
	@$(BIN)/lint-imports --no-cache
	@$(call beside,$(BIN)/mypy src/counterfoil/connectors/$(c),$(PYTEST) src/counterfoil/connectors/$(c) tests/tidy/test_reference.py $(ARGS))
else
	@$(MAKE) --no-print-directory test
endif

crash: $(STAMP) ## every kill point and every write x fault; ends with a table of lost, doubled and stuck
	@COUNTERFOIL_CRASH=full $(BIN)/python -m pytest tests/crash $(ARGS)

soak: $(STAMP) ## many seeds of the simulation; ends with a table of zeros: make soak SEEDS=10 DAYS=7 INVOICES=60 (SEEDS also as a list: 3,7)
	@SEEDS="$(SEEDS)" DAYS="$(DAYS)" INVOICES="$(INVOICES)" START="$(START)" $(BIN)/python -m counterfoil.app.simulation.soak

bench: $(STAMP) ## ratios against the target's own ceiling; figures to docs/benchmarks.md by hand
	@$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/.mutate: $(STAMP) requirements/mutate.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mutate.lock
	@touch $@

mutate: $(VENV)/.mutate ## which small changes of finance, policies and delivery no test notices: make mutate ARGS="--only core/policies --sample 400 --seed 7"
	@$(BIN)/python -m benchmarks.mutate $(ARGS)

conformance: $(STAMP) ## grade one connector: make conformance c=stripe
	@$(BIN)/python -m counterfoil.kit.conformance $(c)

lock: $(STAMP) ## resolve the lock files anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q pyproject.toml -o requirements/runtime.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q pyproject.toml $(CONNECTORS_NEED) --group dev -o requirements/dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q --group build -o requirements/build.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q --group mutate -c requirements/dev.lock -o requirements/mutate.lock

clean:
	rm -rf $(VENV) .counterfoil .mypy_cache .ruff_cache .hypothesis
