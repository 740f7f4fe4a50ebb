# 好差评. `make up` runs it, `make test` proves it; both need only Python ≥ 3.11, Java ≥ 17 and Maven.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install up test test-fast proof attempts check format bench faults mutants clean tools
.DEFAULT_GOAL := help

help:  ## what can be typed here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

install: $(VENV)/.installed  ## the virtual environment and its dependencies, nothing else

up: install  ## the whole stack with a simulated week of the county; Ctrl-C stops it
	@$(BIN)/hcp up

tools: $(VENV)/.installed-test
	@$(BIN)/python -m tests.tools

test: tools check  ## everything, on real Kafka, PostgreSQL, Prometheus and Chromium
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not proof and not long"

test-fast: $(VENV)/.installed-test  ## unit and property tests, no servers
	@$(BIN)/pytest -m "not system and not browser and not promtool"

check: $(VENV)/.installed-test  ## lint, types, import arrows; writes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -3

format: $(VENV)/.installed-test  ## may write
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

proof: tools  ## every broken twin of the faults, of liveness and of the soak must go red
	@$(BIN)/pytest -n 2 --dist load -m proof

attempts: $(VENV)/.installed-test  ## 10,000 random attempts of one department on the cases of another
	@$(BIN)/pytest -m long

bench: tools  ## measures, in one run, against the ceiling
	@$(BIN)/python -m tests.bench

faults: $(VENV)/.installed-test  ## 200 faults under load on real servers; then the ledger against the model
	@$(BIN)/python -m tests.faults

mutants: $(VENV)/.installed-test  ## changes the rules and the fold a little, thousands of times; the tests must notice (hours)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results
	@$(BIN)/python -m tests.mutation.decorated
	@$(BIN)/python -m tests.mutation.fold

clean:  ## stops what runs here and removes its data
	@test ! -x $(BIN)/hcp || $(BIN)/hcp down --quiet
	rm -rf .hcp build mutants *.egg-info
