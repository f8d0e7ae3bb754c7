# Needs Python 3.11 or newer with pip and venv; everything else is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=

.PHONY: demo test install lint clean

demo: install
	$(BIN)/pixelrnn demo $(DEMO)

test: install lint
	$(BIN)/pytest --numprocesses auto --dist loadfile

lint: install
	$(BIN)/ruff check src tests examples benchmarks conftest.py
	$(BIN)/ruff format --check src tests examples benchmarks conftest.py
	$(BIN)/mypy

install: $(VENV)/.installed

# Torch comes first, with its exact version. On Linux without a GPU its CPU build is enough and gigabytes smaller:
# make install PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
