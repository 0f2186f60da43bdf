# Each target sets up what it needs by itself: the environment in .venv, the data sets in data/raw.
# What depends on what beyond that, trainings, notebooks and the book, stands in the Snakefile.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
EXTRAS := notebooks,book,test,pipeline,cluster
QUEUE := data/queue.yml
# More threads do not help a perceptron, and those that spin while they wait slow down whatever else runs.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
# Two workers with one thread each, as notebooks have: the size of the smallest machine this runs on.
PYTEST_2 := $(BIN)/python -m book.execute $(BIN)/pytest -n 2 --dist loadscope
BOOK_CHECKS := tests/test_book.py tests/test_marks.py tests/test_browser.py tests/test_browser_interactive.py \
	tests/test_browser_previews.py tests/test_accessibility.py tests/test_committed_figures.py

.PHONY: help book test results queue open notebooks data lint peers bench bench-gpu constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 14

book: .venv/.installed ## execute the notebooks and build the book into _build/html
	$(BIN)/snakemake book

test: lint ## everything: lint, types, unit tests, doctests, notebooks, the built book
	$(MAKE) data
	$(PYTEST_2) $(BOOK_CHECKS:%=--ignore=%)
	$(ONE_THREAD) $(BIN)/tqttfs verify --level retrain --record _build/verified.json
	$(MAKE) book
	$(PYTEST_2) --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks $(BOOK_CHECKS)

results: .venv/.installed ## train what is missing of the released study; DEVICES=cuda:0 on a GPU
	$(BIN)/snakemake results $(if $(DEVICES),--config devices=$(DEVICES))

queue: .venv/.installed data ## on Linux: train data/queue.yml in its order, one thread each, on every core
	mkdir -p _build/logs
	$(BIN)/tqttfs study --commands "$(QUEUE)" > _build/queue.txt
	cores=$$(env -u OMP_NUM_THREADS nproc); PATH="$$(cd $(BIN) && pwd):$$PATH" $(ONE_THREAD) \
	  xargs -r -a _build/queue.txt -d '\n' -n 1 -P "$$cores" bash -c 'eval "$$0" >> _build/logs/queue.log 2>&1'

open: .venv/.installed data ## on an NVIDIA GPU: train what is still open, the most valuable first; every step resumes
	$(BIN)/python -m tqttfs_lite.paper.attempts --seeds 3 --device cuda
	$(BIN)/tqttfs study "$(QUEUE)" --device cuda
	$(BIN)/tqttfs search 28x28-16C5-P2-32C5-P2-800-128-10 --dataset fashion-mnist --time-steps 16 --budget steps=9 --device cuda
	$(BIN)/python -m tqttfs_lite.experiments.bit_widths --device cuda
	$(BIN)/python -m tqttfs_lite.paper.random_search --draws 32 --seeds 10 --device cuda

notebooks: .venv/.installed ## put today's outputs into the committed notebooks, and today's results into the README
	$(BIN)/snakemake notebooks
	$(BIN)/python book/refresh.py
	$(BIN)/python book/readme.py

data: .venv/.installed ## fetch and verify MNIST and FashionMNIST
	$(BIN)/tqttfs data

lint: .venv/.installed ## ruff, mypy, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

peers: .venv/.peers ## install SpikingJelly, snnTorch and NeuroBench and compare with them
	$(BIN)/pytest -m peers

bench: .venv/.peers data ## time the library beside SpikingJelly and snnTorch; the machine should do nothing else
	$(BIN)/python -m tests.benchmarks

bench-gpu: .venv/.peers data ## the same on an NVIDIA GPU, which it needs
	$(BIN)/python -m tests.benchmarks.gpu bench aside

constraints: ## pin the newest versions that install together
	rm -rf _build/freeze
	$(PYTHON) -m venv _build/freeze
	_build/freeze/bin/pip install --quiet --upgrade -e '.[$(EXTRAS),peers]'
	{ grep '^#' constraints.txt; _build/freeze/bin/pip freeze --all --exclude pip --exclude tqttfs-lite \
	  | sed 's/+.*//'; } > _build/constraints.txt
	mv _build/constraints.txt constraints.txt

clean: ## remove what was built; the environment and the data sets stay
	rm -rf _build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

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
