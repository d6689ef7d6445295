# make demo    set up the environment and run everything on a small bundled set
# make quick   lint and the fast tests: no server, no process, no training
# make test    lint and the tests, with a real Neo4j from docker or Maven

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo lint quick changed test test-all coverage kills check constraints bench bench-cuda bench-large bench-env docs

# Where Python may not keep what it compiled, every process that a test starts compiles torch and the rest again.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/.ready
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

help:
	@echo "make setup        make .venv with everything in it"
	@echo "make demo         run kptool demo: graph, prompts, tree, training, recommendations"
	@echo "make quick        lint and the fast tests: no server, no process, no training"
	@echo "make changed      the tests of what changed since BASE (default HEAD) and of the layers above it"
	@echo "make test         lint and the tests, without the longest"
	@echo "make test-all     lint, types and all tests, the longest too"
	@echo "make coverage     all tests, the long ones too, with the share of lines that they run"
	@echo "make kills        kill every writing command at every file operation and at random moments; takes an hour"
	@echo "make check        lint and types only"
	@echo "make bench        the benchmarks, quick; make bench-env first adds RecTools for one baseline"
	@echo "make bench-cuda   those with a model, on a GPU"
	@echo "make bench-large  those of the graph, with 2.7 million triples"
	@echo "make docs         the documentation as a site, in build/docs/"
	@echo "make constraints  write the versions installed in .venv to constraints.txt"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "making .venv with $$("$$python" --version)"; "$$python" -m venv .venv; break; \
	    fi; \
	  done; \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "no Python 3.11 or newer with venv and ensurepip; name one: make setup PYTHON=..." >&2; exit 1; }; \
	fi
	@echo "installing packages into .venv; the first time this fetches some gigabytes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: setup
	$(BIN)/kptool demo

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check: lint
	$(BIN)/mypy

# Four workers on two cores, because tests of servers and processes wait for much of their time.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder
FAST := not cuda and not long and not graph and not embedded and not process and not train and not slow
BASE ?= HEAD

quick: setup
	$(BIN)/ruff check
	$(PYTEST) -m "$(FAST)" --hypothesis-profile=quick $(PYTEST_OPTIONS)

changed: setup
	@tests=$$($(BIN)/python tests/house/changed.py $(BASE)) || exit 1; \
	if [ -n "$$tests" ]; then \
	  $(PYTEST) -m "not cuda and not long" --hypothesis-profile=quick $(PYTEST_OPTIONS) $$tests; \
	else \
	  echo "nothing changed since $(BASE)"; \
	fi

test: lint
	$(PYTEST) -m "not cuda and not long" $(PYTEST_OPTIONS)

# Types are checked by one of the tests, next to the others.
test-all: lint
	KPTOOL_TEST_LONG=1 $(PYTEST) -m "not cuda" $(PYTEST_OPTIONS)

# Python 3.11 takes three quarters more time for a test whose lines are counted.
coverage: setup
	KPTOOL_TEST_LONG=1 $(PYTEST) -m "not cuda" --cov --cov-report=term:skip-covered $(PYTEST_OPTIONS)

# Every file operation of every writing command, and 20 random moments of each as a process; more than an hour.
kills: setup
	KPTOOL_TEST_KILLS=1 $(PYTEST) --timeout=7200 $(PYTEST_OPTIONS) tests/storage/test_replacement.py tests/cli/test_killed_commands.py

# Warnings are errors, broken links inside the site too. Needs no network.
docs: setup
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs build/docs
	@echo "open build/docs/index.html"

BENCHMARKS := samples mask growth compiling commands training inference time_to_quality growth_model backends parts ingest neighbourhoods rdf
ON_CPU := commands ingest neighbourhoods rdf
RECTOOLS := .venv-rectools

bench bench-cuda: setup
	@mkdir -p build/benchmarks
	@for name in $(if $(findstring cuda,$@),$(filter-out $(ON_CPU),$(BENCHMARKS)),$(BENCHMARKS)); do \
	  echo "== $$name"; \
	  OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.$$name --quick --device $(if $(findstring cuda,$@),cuda,cpu) \
	    --json build/benchmarks/$$name-$@.json; \
	done

bench-large: setup
	@mkdir -p build/benchmarks
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.ingest --sizes "2.7 M" --repeats 1 --rows 50 \
	  --json build/benchmarks/ingest-$@.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.neighbourhoods --sizes "2.7 M" \
	  --json build/benchmarks/neighbourhoods-$@.json

bench-env: setup
	$(BIN)/python -m venv $(RECTOOLS)
	$(RECTOOLS)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint benchmarks/constraints-rectools.txt 'rectools[torch]'

constraints: setup
	@$(BIN)/python -m pip freeze --exclude-editable \
	  | sed -E "/^(nvidia-|cuda-|triton==)/ s/$$/ ; sys_platform == 'linux'/" > constraints.tmp
	@mv constraints.tmp constraints.txt
	@touch $(READY)
