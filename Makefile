# Needs python3 (3.11 or newer) and make, nothing else: `make run`, `make test`. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
EXTRAS ?= dev,fast
ARGS ?=

# Tests that count what they tried, for reports/reliability.
COUNTED := tests/reliability tests/trainers/test_resume.py tests/trainers/test_contract.py tests/test_planted_errors.py \
	tests/report/test_escaping.py tests/report/test_load.py tests/data/test_archive.py tests/data/test_idx.py \
	tests/sweep/test_launch.py

VENV := .venv
PY := $(VENV)/bin/python
PIP := -m pip --disable-pip-version-check
comma := ,
READY := $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))
version_of = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# A PYTHON named by the caller that is not the one in .venv makes it anew; without a name, .venv stays as it is.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(PY)),)
ifneq ($(call version_of,$(PYTHON)),$(call version_of,$(PY)))
.PHONY: stale
$(READY): stale
endif
endif
endif

.PHONY: help setup run test test-long test-lowest lint format report readme constraints clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## create .venv with the pinned packages (PYTHON=python3.12, EXTRAS=dev,cuda12 choose)

$(READY): pyproject.toml setup.py constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no command '$(PYTHON)'; name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), and 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv or no ensurepip (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(if $(filter stale,$^),rm -rf $(VENV))
	@$(PY) -c 'import pip' 2>/dev/null || { echo "creating $(VENV) with $$($(PYTHON) -V)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing the packages of constraints.txt (extras: $(EXTRAS))"
	@$(PY) $(PIP) install --quiet -c constraints.txt setuptools
	@$(PY) $(PIP) install --quiet -c constraints.txt --no-build-isolation -e '.[$(EXTRAS)]'
	@touch $@

stale: ;

run: $(READY) ## the main job: both trainers on MNIST, three seeds each, then the report (about three minutes)
	$(PY) -m lab +sweep=quick $(ARGS)

test: $(READY) ## all tests, two at a time (ARGS='tests/layers -k dense' chooses)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 $(ARGS)

test-long: $(READY) ## every fault, kill and corruption instead of a sample, and the table in reports/reliability (goes on where it stopped; ANEW=1: from the start)
	@test -z "$(ANEW)" || rm -rf build/reliability
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 LAB_RELIABILITY_RESULTS=build/reliability/short \
		$(PY) -m pytest -n 2 $(COUNTED) $(ARGS)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 LAB_TEST_LONG=1 LAB_RELIABILITY_RESULTS=build/reliability \
		$(PY) -m pytest -n 2 $(COUNTED) $(ARGS)
	$(PY) tools/reliability.py build/reliability reports/reliability

test-lowest: $(READY) ## all tests with the oldest packages that pyproject.toml allows, in .venv-lowest
	$(PY) $(PIP) install --quiet uv
	$(PY) -m venv --clear .venv-lowest
	$(PY) tools/constraints.py lowest > .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PIP) install --quiet -c constraints.txt setuptools
	.venv-lowest/bin/python $(PIP) install --quiet -c .venv-lowest/constraints.txt --no-build-isolation -e '.[dev]'
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 $(ARGS)

lint: $(READY) ## ruff's rules and layout, and strict types on lab/
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict lab

format: $(READY) ## lay out the code, and mend what ruff can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

report: $(READY) ## a report on all runs so far, in reports/mine
	$(PY) -m lab.report runs --out reports/mine $(ARGS)

readme: $(READY) ## fill the README's figures from the records under reports/
	$(PY) tools/readme.py

constraints: $(READY) ## resolve constraints.txt anew (needs the network)
	$(PY) $(PIP) install --quiet uv
	$(PY) tools/constraints.py

clean: ## remove what building and testing left; runs, reports and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find lab conf tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf $(VENV) .venv-lowest
