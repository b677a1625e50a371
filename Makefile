# Every target does its own set-up: a virtual environment in .venv with the versions of constraints.txt.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
READY := $(VENV)/.python
DEMO := $(VENV)/.demo
DEV := $(VENV)/.dev

.PHONY: demo test check bench clean
.DEFAULT_GOAL := demo

demo: $(DEMO)  ## judge a real photo and two simulated attacks on it; writes demo/report.html
	$(BIN)/facetrust demo --out demo

test: $(DEV)  ## run all tests
	$(BIN)/python -m pytest

check: $(DEV)  ## lint, formatting, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(DEV)  ## ours beside a peer, ratios out; PHOTOS=DIR PEERS=DIR adds the latency of check
	$(BIN)/python benchmarks/training_speed.py
	$(if $(and $(PHOTOS),$(PEERS)),$(BIN)/python benchmarks/check_latency.py --photos $(PHOTOS) --peers $(PEERS))

clean:  ## remove the environment and what the demo wrote
	rm -rf $(VENV) demo

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "facetrust needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(DEMO): $(READY) pyproject.toml constraints.txt  # no torch in here: the demo runs without it
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(DEV): $(READY) pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(DEMO)
