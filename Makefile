# Every target sets up what it needs: a virtual environment in .venv, with pinned versions.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PARITY := $(BIN)/python -m pytest tests/parity --framework
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
SUITES := core torch jax reference_model benchmarks project
FRAMEWORKS := numpy torch jax

.PHONY: help demo test test-slow mutants check format docs wheel benchmark clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.reference: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[reference,jax]'
	@touch $@

$(VENV)/.dev: $(VENV)/.reference
	$(PIP) --group dev
	@touch $@

demo: $(VENV)/.reference  ## train the reference model on built-in synthetic faces
	$(BIN)/python -m reference_model.train --out runs/demo --overwrite

test: $(VENV)/.dev  ## run every test, one process a suite (frameworks do not share one well)
	@set -e; for suite in $(SUITES); do echo "== tests/$$suite"; $(BIN)/python -m pytest tests/$$suite; done
	@set -e; for name in $(FRAMEWORKS); do echo "== tests/parity: $$name"; $(PARITY) $$name; done

test-slow: $(VENV)/.dev  ## the property tests with many more examples
	@set -e; for suite in core torch; do HYPOTHESIS_PROFILE=slow $(BIN)/python -m pytest tests/$$suite; done
	@set -e; for name in $(FRAMEWORKS); do HYPOTHESIS_PROFILE=slow $(PARITY) $$name; done

mutants: $(VENV)/.dev  ## seed faults one by one; each must make the suite fail
	$(BIN)/python -m tests.mutants

check: $(VENV)/.dev  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## apply the formatter and the linter's safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev  ## build the documentation; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

wheel: $(VENV)/.dev  ## build the wheel and try it in a fresh environment outside the checkout
	PYTHON=$(BIN)/python bash tests/wheel/smoke.sh

benchmark: $(VENV)/.dev  ## time one step of the loss against its peers
	$(BIN)/python -m benchmarks.loss_step

clean:  ## remove everything that was built
	rm -rf $(VENV) build dist docs/_build *.egg-info runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
