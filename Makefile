# Dragoman from a clone. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The package index torch is taken from, when it is not the usual one: on Linux without a GPU, give the index of torch's CPU builds
# (`make setup TORCH_INDEX=...`), which saves several GB of CUDA libraries.
TORCH_INDEX ?=
ARGS ?=

PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
BASE := $(VENV)/.stamp-torch
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev

.DEFAULT_GOAL := help
.PHONY: help setup setup-run quickstart test test-slow lint wheel-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# torch goes first and alone: what comes after finds it there and keeps it, whichever build it is.
$(BASE): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(PIP_INSTALL) --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@touch $@

$(RUN): $(BASE) pyproject.toml
	$(PIP_INSTALL) --editable '.[all]'
	@touch $@

$(DEV): $(BASE) pyproject.toml
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $(RUN) $@

setup: $(DEV) ## make .venv with everything for development

setup-run: $(RUN) ## make .venv with what running needs, and no more

quickstart: setup-run ## train and score a small translator (options: ARGS="...")
	$(BIN)/dragoman quickstart $(ARGS)

test: setup ## the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fast -m "not slow" -q --numprocesses auto

test-slow: setup ## the tests with a real small model; minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/slow tests/fast -m slow -q --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 12

lint: setup ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

wheel-check: setup ## build the wheel, check its types, run it in an environment of its own
	PYTHON=$(abspath $(BIN)/python) TORCH_INDEX=$(TORCH_INDEX) scripts/check_wheel.sh

clean: ## remove what was built (.venv and runs stay)
	rm -rf build dist types *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
