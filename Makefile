# Every target does its own set-up: a virtual environment in .venv with the versions of constraints.txt.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Tests on all cores; a free core takes over tests of a busy one. TESTS names some of them, WORKERS fewer cores.
TESTS ?=
WORKERS ?= auto
# How many files `make fuzz` damages, and by which seed.
FILES ?= 10000
SEED ?= 0
PYTEST := -m pytest --numprocesses $(WORKERS) --dist worksteal $(TESTS)
READY := $(VENV)/.python
DEMO := $(VENV)/.demo
DEV := $(VENV)/.dev
DOCS := $(VENV)/.docs

.PHONY: demo test check docs lowest newest bench fuzz clean
.DEFAULT_GOAL := demo

demo: $(DEMO)  ## judge a real photo and two simulated attacks on it; writes demo/report.html
	$(BIN)/facetrust demo --out demo

test: $(DEV)  ## run all tests
	$(BIN)/python $(PYTEST)

check: $(DEV)  ## lint, formatting, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(DOCS)  ## the pages as a site in site/; a link that leads nowhere, or a font from elsewhere, is an error
	$(BIN)/python -m mkdocs build

lowest:  ## all tests with the lowest versions that pyproject.toml names
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python tests/lowest.py > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint $(VENV)-lowest/constraints.txt --editable '.[dev]'
	$(VENV)-lowest/bin/python $(PYTEST)

newest:  ## all tests with the newest versions of everything
	$(PYTHON) -m venv --clear $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --quiet --editable '.[dev]'
	$(VENV)-newest/bin/python $(PYTEST)

bench: $(DEV)  ## ours beside a peer, ratios out; PHOTOS=DIR PEERS=DIR adds the latency of check
	$(BIN)/python benchmarks/training_speed.py
	$(if $(and $(PHOTOS),$(PEERS)),$(BIN)/python benchmarks/check_latency.py --photos $(PHOTOS) --peers $(PEERS))

fuzz: $(DEV)  ## damaged files of every kind, FILES of them; a table of what became of them, minutes
	$(BIN)/python benchmarks/fuzz --files $(FILES) --seed $(SEED)

clean:  ## remove the environment and what the demo wrote
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest demo site

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "facetrust needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(DEMO): $(READY) pyproject.toml constraints.txt  # no torch in here: the demo runs without it
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(DOCS): $(READY) pyproject.toml constraints.txt
	$(INSTALL) --editable '.[docs]'
	@touch $@

$(DEV): $(READY) pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(DEMO)
