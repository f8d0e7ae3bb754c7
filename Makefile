# Needs Python 3.11 or newer with pip and venv; everything else is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=
QUICK := tests/truths tests/test_house.py tests/test_masks.py tests/test_config.py tests/model/test_model.py \
	tests/model/test_conditions.py tests/codec tests/walk/test_quantise.py tests/kernels tests/colours

.PHONY: demo test quick packaging install lint clean

demo: install
	$(BIN)/pixelrnn demo $(DEMO)

test: install lint
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# What one runs while editing: the contracts, the house, and what every change may break.
quick: install lint
	$(BIN)/pytest --numprocesses auto --dist loadfile --durations=0 --durations-min=5 $(QUICK)

# The wheel in environments of its own: bare, with the oldest dependencies, under newer Pythons.
packaging: install
	$(BIN)/pytest -m packaging tests/packaging

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
