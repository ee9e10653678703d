# `make train` and `make test` set up all they need in .venv first: a machine with Python 3.11 (and its pip and venv) is enough.
.DEFAULT_GOAL := help
.PHONY: help install train demo lessons test test-fast check docs release clean
.DELETE_ON_ERROR:

# The first of these that runs and is new enough; `make PYTHON=/path/to/python train` takes another.
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
ARGS ?=
TESTS ?=

BIN := .venv/bin
INSTALLED := .venv/installed
# A worker for each core, as a worker waits for commands alone, which compute meanwhile. Files stay whole, for
# what their tests share; tests/conftest.py puts them in order.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
# One thread a worker; and compiled modules are kept, as tests start many interpreters.
TEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PARALLEL)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help:
	@echo "make train                            set up, train the default on the embedded data, evaluate it"
	@echo "make train ARGS='task=nmt seed=1'     the same with other choices (python src/train.py --help lists them)"
	@echo "make demo                             set up, then a page in the browser for the models that ship"
	@echo "make demo ARGS='models=[RUN,...]'     the same for others"
	@echo "make lessons                          set up, then run the lessons and make their pages and notebooks"
	@echo "make lessons ARGS=5_attention         the same for one of them"
	@echo "make test                             set up, then ruff and the tests"
	@echo "make test TESTS='tests/search -x'     the same with other arguments for pytest"
	@echo "make test-fast                        the tests that start no commands and do not train for seconds"
	@echo "make check                            set up, then types and spelling"
	@echo "make docs                             set up, then the site, docs/_build/html/index.html"
	@echo "make release                          set up, then a wheel in dist/, checked, installed and run"
	@echo "make install                          set up only"
	@echo "make clean                            remove .venv and caches; outputs/ and data/ stay"
	@echo "PYTHON=...                            the Python to make .venv with (3.11 or newer)"

install: $(INSTALLED)

$(INSTALLED): requirements.txt setup.cfg setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install one or say make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is not a Python of version 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv \
		|| { echo "error: no virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "installing into .venv (6.4 GB, most of it PyTorch; once, some minutes)"
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps --editable .
	@touch $@

train: $(INSTALLED)
	$(BIN)/python src/train.py $(ARGS)

demo: $(INSTALLED)
	$(BIN)/python src/demo.py $(ARGS)

lessons: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python lessons/build.py $(ARGS)

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TEST) $(TESTS)

test-fast: $(INSTALLED)
	$(TEST) -m "not slow" $(TESTS)

check: $(INSTALLED)
	$(BIN)/mypy
	$(BIN)/codespell

# -W: a warning is an error; -E: pages that no file of this build depends on are read again, too
docs: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -E -b html docs docs/_build/html
	@echo "the site is in docs/_build/html/index.html"

release: $(INSTALLED)
	rm -rf dist build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	SEQ2SCENE_WHEEL="$$(echo $(CURDIR)/dist/*.whl)" $(TEST) tests/test_installed_package.py
	@ls dist

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache build docs/_build docs/_generated src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
