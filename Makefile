# `make run` sets everything up and runs the main job; `make test` sets everything up and runs the tests.
# It needs Python 3.11, 3.12 or 3.13 with pip, and make (3.81 or newer). Everything is installed into .venv; `make clean` removes it.
# Options: make run PYTHON=python3.12 ARGS="..."

PYTHON ?= python3
ARGS ?=
# A file's tests stay together: they share what is expensive to make. One thread a worker, or the workers would wait for each other.
# In the order of collection: by default the files of few tests, which are the long ones, would come last, on one core.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder
test test-all: export OMP_NUM_THREADS = 1
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PYTHON) -m pip --disable-pip-version-check --python $(PY) install -c constraints.txt
CORE := $(VENV)/installed-core
DEV := $(VENV)/installed-dev
BENCH_VENV := .venv-bench
BENCH_PY := $(BENCH_VENV)/bin/python
BENCH := $(BENCH_VENV)/installed

.PHONY: help run test test-all check bench bench-env clean
.DEFAULT_GOAL := help

help:
	@echo "make run       set up and run the main job (a few minutes); prints where the report is"
	@echo "make test      set up and run the tests, without the slow ones"
	@echo "make test-all  every test"
	@echo "make check     ruff, pyright and the import contracts"
	@echo "make bench     training steps beside other toolkits', in an environment of their own; writes benchmarks/results"
	@echo "make clean     remove the environment and the caches"
	@echo "Options: PYTHON=python3.12 (any of 3.11, 3.12, 3.13), ARGS='...' (handed to the program or to pytest)"

run: $(CORE)
	@$(VENV)/bin/monosemy run $(ARGS)

test: $(DEV)
	$(PY) -m pytest -q -m "not slow" $(WORKERS) $(ARGS)

test-all: $(DEV)
	HYPOTHESIS_PROFILE=thorough $(PY) -m pytest -q $(WORKERS) $(ARGS)

bench: $(BENCH)
	$(BENCH_PY) benchmarks/training.py $(ARGS)

bench-env: $(BENCH)

check: $(DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)
	$(VENV)/bin/lint-imports

# The environment. --without-pip, because some distributions ship a Python without ensurepip: the pip of $(PYTHON) installs into it.
# Make looks through the link .venv/bin/python at the interpreter itself: when that is gone or was upgraded, the environment is made anew.
$(PY):
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "error: there is no '$(PYTHON)' here; install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else "error: Monosemy needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d; name another one: make PYTHON=/path/to/python3.12" % v)'
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "error: '$(PYTHON)' has no pip; install it (on Debian and Ubuntu: apt install python3-pip), or name another Python: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear --without-pip $(VENV)

$(CORE): $(PY) pyproject.toml constraints.txt
	@echo "Installing Monosemy into $(VENV) (PyTorch is large; the first time takes some minutes)"
	@$(PIP_INSTALL) -q -e .
	@touch $@

$(DEV): $(CORE)
	@echo "Installing the development tools into $(VENV)"
	@$(PIP_INSTALL) -q -e '.[dev]'
	@touch $@

# The benchmarks' environment: Monosemy as above, then the peers without what else they ask for, each at its one version.
$(BENCH): pyproject.toml constraints.txt benchmarks/constraints.txt | $(PY)
	@echo "Installing Monosemy and the toolkits that it is compared with into $(BENCH_VENV) (some minutes)"
	@$(PYTHON) -m venv --clear --without-pip $(BENCH_VENV)
	@$(PYTHON) -m pip --disable-pip-version-check --python $(BENCH_PY) install -q -c constraints.txt -e '.[data]'
	@$(PYTHON) -m pip --disable-pip-version-check --python $(BENCH_PY) install -q --no-deps -r benchmarks/constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
