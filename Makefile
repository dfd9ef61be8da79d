# Everything runs in .venv, which the first target that needs it makes from the pinned, hashed requirements.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
JOBS   ?= 2

.PHONY: up test check format bench idle pins clean help

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "quotebus needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

up: $(VENV)/.run ## broker, simulated exchange, pricing node and execution worker; ARGS="--for 30" ends by itself
	@$(BIN)/quotebus up $(ARGS)

test: $(VENV)/.dev ## the test suite; ARGS="-k name" for a part of it
	$(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

check: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## quotes per second beside alpaca-py, in the same run; ARGS="--rounds 9"
	$(BIN)/python -m tests.perf.throughput $(ARGS)

idle: $(VENV)/.dev ## the idle node measured for 30 s
	QUOTEBUS_IDLE_S=30 $(BIN)/python -m pytest -q -k idle_node tests/scenarios/test_lazy.py

pins: $(VENV)/.dev ## resolve the requirements anew
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --extra build --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --extra build --extra alpaca --extra dev --constraint requirements.txt \
	  --output-file requirements-dev.txt pyproject.toml

clean: ## remove .venv and everything generated
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
