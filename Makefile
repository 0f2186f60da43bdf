# Each target sets up what it needs by itself: the environment in .venv, the data sets in data/raw.
# A notebook is executed again only when it, the library, a result, a checkpoint or the environment has changed.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
EXTRAS := notebooks,book,test
# Two workers with one thread each: the size of the smallest machine this runs on.
PYTEST_2 := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope
BOOK_CHECKS := tests/test_book.py tests/test_marks.py tests/test_browser.py tests/test_browser_interactive.py \
	tests/test_accessibility.py

NOTEBOOKS := $(wildcard notebooks/*.ipynb)
EXECUTED := $(NOTEBOOKS:%=_build/%)
LIBRARY := $(wildcard tqttfs_lite/*.py tqttfs_lite/kernels/*)
RESULTS := $(wildcard data/paper/* data/results/* data/checkpoints/* data/benchmarks/*)

.PHONY: help book test notebooks data lint peers bench constraints clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 14

book: _build/html/index.html ## execute the notebooks and build the book into _build/html

test: lint ## everything: lint, types, unit tests, doctests, notebooks, the built book
	$(MAKE) data
	$(PYTEST_2) $(BOOK_CHECKS:%=--ignore=%)
	$(BIN)/tqttfs verify --level retrain
	$(MAKE) book
	$(PYTEST_2) --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks $(BOOK_CHECKS)

notebooks: $(EXECUTED) ## put today's outputs into the committed notebooks, and today's results into the README
	$(BIN)/python book/refresh.py
	$(BIN)/python book/readme.py

data: .venv/.installed ## fetch and verify MNIST and FashionMNIST
	$(BIN)/tqttfs data

lint: .venv/.installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

peers: .venv/.peers ## install SpikingJelly and snnTorch and compare with them
	$(BIN)/pytest -m peers

bench: .venv/.peers data ## time the library beside SpikingJelly and snnTorch; the machine should do nothing else
	$(BIN)/python -m tests.benchmarks

constraints: ## pin the newest versions that install together
	rm -rf _build/freeze
	$(PYTHON) -m venv _build/freeze
	_build/freeze/bin/pip install --quiet --upgrade -e '.[$(EXTRAS),peers]'
	{ grep '^#' constraints.txt; _build/freeze/bin/pip freeze --all --exclude pip --exclude tqttfs-lite \
	  | sed 's/+.*//'; } > _build/constraints.txt
	mv _build/constraints.txt constraints.txt

clean: ## remove what was built; the environment and the data sets stay
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo 'Python 3.11 is needed: install it, or name it, as in: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo 'Python has no venv module: on Debian and Ubuntu, apt-get install python3.11-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

.venv/.peers: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS),peers]'
	@touch $@

# A notebook runs in its own folder, as in Jupyter, and may read the data sets.
_build/notebooks/%.ipynb: notebooks/%.ipynb $(LIBRARY) $(RESULTS) .venv/.installed | data
	@mkdir -p $(@D)
	$(BIN)/papermill --cwd notebooks --kernel python3 --no-progress-bar $< $@

_build/html/index.html: $(EXECUTED) $(wildcard book/* book/*/* book/*/*/*) $(RESULTS) .venv/.installed
	$(BIN)/python -m book.build
