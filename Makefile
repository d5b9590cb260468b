# Every target but `gpu` sets up what it needs: a virtual environment in .venv, with pinned versions.
PYTHON ?= python3.11
VENV := .venv
# Packages are installed without bytecode, and a process writes what it imports; else each would compile all of it again.
export PYTHONDONTWRITEBYTECODE :=
# What `make gpu` runs with, and what it says of these sources; it sets up nothing.
GPU_PYTHON ?= python3
COMMIT ?= $(shell git describe --always --dirty --abbrev=40)
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt
SUITES := core native torch kernels cubins jax tensorflow reference_model benchmarks project
BACKENDS := tensorflow jax torch
FRAMEWORKS := numpy torch torch_native torch_fused torch_wide jax jax_fused tensorflow tensorflow_fused $(BACKENDS:%=keras_%)
# Those that take longest first: the processors then end at about the same time. `ALSO` adds other targets.
LONGEST := suite-jax suite-tensorflow suite-project suite-benchmarks parity-jax suite-reference_model
RUNS := $(ALSO) $(LONGEST) $(filter-out $(LONGEST),$(SUITES:%=suite-%) $(FRAMEWORKS:%=parity-%) $(BACKENDS:%=keras-%))
# JAX outside of jit compiles each operation by itself, the same ones in every suite of one run: what one has compiled
# the others load. tests/jax, which reads what XLA makes of a step, compiles all of it itself.
JAX_CACHE := build/jax
SHARING := JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(JAX_CACHE) JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
# One run more at once than there are processors, for some wait; each with one thread.
AT_ONCE := OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --keep-going --jobs=$(shell expr $$(nproc) + 1) --output-sync=target

.PHONY: help demo test test-slow mutants check format docs wheel cubins benchmark gpu clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.reference: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[reference,jax,keras]'
	@touch $@

$(VENV)/.dev: $(VENV)/.reference
	$(PIP) --group dev
	@touch $@

demo: $(VENV)/.reference  ## train the reference model on built-in synthetic faces
	$(BIN)/python -m reference_model.train --out runs/demo --overwrite

test: $(VENV)/.dev  ## run every test, one process a suite (frameworks do not share one well)
	@rm -rf $(JAX_CACHE)
	@$(AT_ONCE) $(RUNS)

test-slow: $(VENV)/.dev  ## the property tests with many more examples; every variant of the kernels for every target
	@rm -rf $(JAX_CACHE)
	@HYPOTHESIS_PROFILE=slow PYTEST_ADDOPTS=--timeout=0 $(AT_ONCE) suite-core suite-torch suite-cubins $(FRAMEWORKS:%=parity-%)

suite-%:
	$(PYTEST) tests/$*

keras-%:
	$(SHARING) KERAS_BACKEND=$* $(PYTEST) tests/keras

parity-%:
	$(SHARING) $(PYTEST) tests/parity --framework $*

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

cubins: $(VENV)/.dev  ## compile the kernels that TensorFlow and JAX launch on a GPU; some ten minutes, without one
	$(BIN)/python -m obrl_torch.kernels.cubins adapters/obrl_native/cubins

benchmark: $(VENV)/.dev  ## time one step of the loss against its peers
	$(BIN)/python -m benchmarks.loss_step

gpu:  ## prove the kernels on a GPU: the parity suite on it, then times; GPU_PYTHON has all it needs
	PYTHONPATH=.:adapters $(GPU_PYTHON) -m benchmarks.gpu --commit "$(COMMIT)"

clean:  ## remove everything that was built
	rm -rf $(VENV) build dist docs/_build *.egg-info runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
