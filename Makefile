# Every target but `gpu` creates the virtual environment that it needs, .venv, with pinned versions.
PYTHON ?= python3.11
VENV := .venv
# pip installs no bytecode (--no-compile), so let the first process that imports a module write it for the others.
export PYTHONDONTWRITEBYTECODE :=
# `make gpu` installs nothing: GPU_PYTHON has torch with CUDA and the rest. COMMIT is the version that its report names.
GPU_PYTHON ?= python3
COMMIT ?= $(shell git describe --always --dirty --abbrev=40)
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt
SUITES := core mining report native torch hub kernels cubins jax tensorflow reference_model benchmarks docs project
BACKENDS := tensorflow jax torch
FRAMEWORKS := numpy torch torch_native torch_fused torch_wide jax jax_fused tensorflow tensorflow_fused $(BACKENDS:%=keras_%)
# The longest runs start first, so that all processors finish at about the same time. `ALSO` adds other targets.
LONGEST := suite-docs suite-jax suite-tensorflow suite-project suite-benchmarks parity-jax suite-reference_model
RUNS := $(ALSO) $(LONGEST) $(filter-out $(LONGEST),$(SUITES:%=suite-%) $(FRAMEWORKS:%=parity-%) $(BACKENDS:%=keras-%))
# Outside of jit JAX compiles each operation separately, and every suite uses the same ones: they share a cache. Not
# tests/jax, which reads what XLA compiles.
JAX_CACHE := build/jax
SHARING := JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(JAX_CACHE) JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
# Suites with tests that are marked slow, which `make test` leaves out (pyproject.toml).
SLOW_SUITES := $(shell grep --recursive --files-with-matches --include='test_*.py' 'mark\.slow' tests | cut -d/ -f2 | sort -u)
# One process more than there are processors, because some wait; each has one thread.
AT_ONCE := OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --keep-going --jobs=$(shell expr $$(nproc) + 1) --output-sync=target

.PHONY: help demo test test-slow mutants check format docs wheel dist cubins benchmark gpu clean browser

help:  ## list the targets
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.reference: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[reference,export,jax,keras]'
	@touch $@

$(VENV)/.dev: $(VENV)/.reference
	$(PIP) --group dev
	@touch $@

demo: $(VENV)/.reference  ## train the reference model on built-in synthetic faces
	$(BIN)/python -m reference_model.train --out runs/demo --overwrite

test: $(VENV)/.dev  ## every test but the slow ones, one process a suite (TensorFlow and torch cannot share one)
	@rm -rf $(JAX_CACHE)
	-@$(MAKE) --no-print-directory browser
	@$(AT_ONCE) $(RUNS)

test-slow: $(VENV)/.dev  ## tests marked slow; property tests with many more examples; all kernels for all targets
	@rm -rf $(JAX_CACHE)
	@$(if $(SLOW_SUITES),PYTEST_ADDOPTS='-m slow' $(AT_ONCE) $(SLOW_SUITES:%=suite-%))
	@HYPOTHESIS_PROFILE=slow PYTEST_ADDOPTS=--timeout=0 $(AT_ONCE) suite-core suite-torch suite-cubins $(FRAMEWORKS:%=parity-%)

# The suites that need a browser ask for it in their recipe, because with a prerequisite they would start after all the
# others. `make test` asks once beforehand, so that two suites never install it at the same time.
suite-%: $(VENV)/.dev  ## one suite of tests/, as suite-core
	@$(if $(filter report docs,$*),$(MAKE) --no-print-directory browser)
	$(PYTEST) tests/$*

# Without Chromium the suite starts all the same: the tests that need it fail, and say what to install.
browser:
	@$(BIN)/python -m tools.chromium >/dev/null || if [ "$$(id -u)" = 0 ] && [ -z "$$OBRL_CHROMIUM" ]; then \
	  apt-get update -q && apt-get install -y -q chromium; fi

keras-%:
	$(SHARING) KERAS_BACKEND=$* $(PYTEST) tests/keras

parity-%:
	$(SHARING) $(PYTEST) tests/parity --framework $*

mutants: $(VENV)/.dev  ## change the code by one fault at a time; the tests must catch each
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

dist: $(VENV)/.dev  ## build wheel and source distribution, twice: they must be equal, and pass twine's checks
	$(BIN)/python -m tools.dist dist

cubins: $(VENV)/.dev  ## compile the kernels that TensorFlow and JAX launch on a GPU; some ten minutes, without one
	$(BIN)/python -m tools.cubins.build adapters/obrl_native/cubins

benchmark: $(VENV)/.dev  ## time one step of the loss against its peers
	$(BIN)/python -m benchmarks.loss_step

gpu:  ## the parity suite on a GPU, then times; GPU_PYTHON names a Python with torch and CUDA
	PYTHONPATH=.:adapters $(GPU_PYTHON) -m benchmarks.gpu --commit "$(COMMIT)"

clean:  ## remove everything that was built or installed
	rm -rf $(VENV) build dist docs/_build *.egg-info runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
