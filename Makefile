# `make demo` runs the default study, `make test` the tests; each sets up .venv first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin

.PHONY: demo test test-all check setup

setup: .venv/.done

.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt torch==2.13.0 -e ".[dev]"
	touch $@

demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --cores all
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --report results/demo/report.html
	@echo "Look at results/demo/report.html (opens offline), results/demo/tables/main.md,"
	@echo "results/demo/figures/ and results/demo/scores.csv."

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

test: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -n 2 -m "not slow and not gpu"

test-all: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -n 2 -m "not gpu"
