# Everything a newcomer types. `make help` lists it.
# A fresh machine needs Python 3.11 or newer with venv, and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# torch's own threads and two test processes would fight for two cores.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-long gpu-check lint types layers check format bench constraints clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "geofoundry needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing geofoundry with what training needs (torch is large; a few minutes the first time)"
	$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing geofoundry with everything that its tests need (a few minutes the first time)"
	$(PIP) --editable '.[all,dev]'
	@touch $@ $(VENV)/.train-installed

quickstart: $(VENV)/.train-installed ## Install, then train on a generated scene and map it
	env -u OMP_NUM_THREADS $(BIN)/geofoundry quickstart

test: $(VENV)/.dev-installed ## Install, then run the whole suite
	$(BIN)/pytest -n 2 --dist loadgroup -m 'not long and not gpu'

test-long: $(VENV)/.dev-installed ## The slow rest: every timm name, many kills
	$(BIN)/pytest -n 2 --dist loadgroup -m 'long and not gpu'

gpu-check: $(VENV)/.dev-installed ## The tests that need a GPU, on generated data
	$(BIN)/pytest -m gpu

lint: $(VENV)/.dev-installed ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed ## Types
	$(BIN)/pyright

layers: $(VENV)/.dev-installed ## Which room may import which
	$(BIN)/lint-imports

check: test lint types layers ## All that CI runs

format: $(VENV)/.dev-installed ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev-installed ## Measure speeds; TERRATORCH_PYTHON=… puts the peer beside
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

constraints: $(VENV)/.dev-installed ## Renew constraints.txt from what is installed
	$(BIN)/python -m pip freeze --exclude-editable | grep -viE '^(nvidia|cuda|triton|pip|setuptools)' | sort -f > constraints.new
	(echo "# Versions that the tests ran with; 'make' installs these. Renew with 'make constraints'."; cat constraints.new) > constraints.txt
	@rm constraints.new

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
