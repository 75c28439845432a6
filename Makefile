# Each target sets up what it needs: `make demo` and `make test` work on a fresh machine.
# `make demo` installs layerkit alone; the targets for development add the extras dev and docs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-all check format docs bench stats fuzz clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## +(.*)/\1 \2/p' $(MAKEFILE_LIST) | while read -r t w; do printf '%-9s %s\n' "$$t" "$$w"; done

# The stamps are older than pyproject.toml after an edit: entry points are read at install time.
$(CORE): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "layerkit needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $(CORE)

$(STAMP): $(CORE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,docs]"
	@touch $(STAMP)

setup: $(STAMP)  ## create .venv and install everything for development

demo: $(CORE)  ## three architectures on the digits: build, train, save, load, compare, report
	$(BIN)/layerkit demo --out demo-out

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

test: $(STAMP)  ## run the tests of every change: about 8 minutes on two cores
	$(PYTEST) -m "not slow"

test-all: $(STAMP)  ## run all tests, the slow ones too
	$(PYTEST)

check: $(STAMP)  ## lint, format, types, import contracts, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(STAMP)  ## let ruff format and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## build the documentation site into site/
	$(BIN)/python -m sphinx -W --keep-going -b html docs site

# make bench EXTRAS=bench,peers ARGS="--rounds 9": with PyTorch, JAX, Keras and Thinc, more rounds.
EXTRAS ?= bench
ARGS ?=

bench: $(STAMP)  ## measure against others, side by side, in one run; writes benchmarks/*/results.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS)]"
	$(BIN)/python benchmarks/format/run.py
	$(BIN)/python benchmarks/cold/run.py
	$(BIN)/python -m benchmarks.speed.run --write $(ARGS)
	$(BIN)/python -m benchmarks.speed.threads --write
	$(BIN)/python -m benchmarks.speed.scale --write
	$(BIN)/python -m benchmarks.speed.forms --write

stats: $(STAMP)  ## how often verdicts are wrong: simulated comparisons, a fresh seed; writes the tables
	$(BIN)/python -m benchmarks.stats.run --write $(ARGS)

clean:  ## remove what the other targets made
	rm -rf $(VENV) site demo-out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

SECONDS ?= 600
SEED ?= 0

fuzz: $(STAMP)  ## damage model files, and draw layers and judge their forms, for SECONDS=600 from SEED=0
	$(BIN)/python -m tests.fuzz.fuzz --seconds $(SECONDS) --seed $(SEED) & files=$$!; \
	$(BIN)/python -m tests.fuzz.layers --seconds $(SECONDS) --seed $(SEED); layers=$$?; \
	wait $$files && exit $$layers
