# `make` alone lists what can be made. Every target does its own set-up, in .venv.

# What every process runs with. A plain `pytest` gets the same from conftest.py; a test compares the two.
# One thread per process: results do not depend on the number of cores, and parallel seeds do not fight for them.
THREADS ?= 1
export OMP_NUM_THREADS := $(THREADS)
export TF_NUM_INTRAOP_THREADS := $(THREADS)
export TF_NUM_INTEROP_THREADS := $(THREADS)
# Neither says anything about weights. The second is a search for a GPU that finds none.
export PYTHONWARNINGS ?= ignore::DeprecationWarning:zmq,ignore:CUDA initialization
# The stored numbers are those of a processor, so a GPU stays hidden. `make test GPU=1` runs the tests that need one.
GPU ?=
export GPU
ifeq ($(GPU),)
export CUDA_VISIBLE_DEVICES :=
endif

CHAPTER ?=
PORT ?= 8000
BIN := .venv/bin
READY := .venv/ready
NAME := $(basename $(notdir $(CHAPTER)))
TEMPLATE := tools/template.ipynb
CHAPTERS := $(if $(CHAPTER),book/$(NAME).ipynb,$(wildcard book/*.ipynb) $(TEMPLATE))
# One chapter and its rules, the tests that need a GPU, or everything, in two processes.
TESTS := $(if $(GPU),tests/test_cuda.py,$(if $(CHAPTER),$(CHAPTERS) tests/test_notebooks.py -k $(NAME),\
	book $(TEMPLATE) tests -n 2 --dist loadfile --no-loadscope-reorder))

SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The first of these that is Python 3.11 to 3.13. Name another with `make book PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c '$(SUITS)' >/dev/null 2>&1 && echo "$$p" && break; done)

# Environments of old versions: all, or those with ONLY in their name.
ONLY ?=

.PHONY: help book pdf test lab serve execute links lint bench history constraints chapter clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-8s %s\n' "$$name" "$$text"; done

$(READY): requirements.txt constraints.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(SUITS)' 2>/dev/null || { \
		echo "This book needs Python 3.11, 3.12 or 3.13, and found $$( "$(or $(PYTHON),python3)" --version 2>&1 || true): install one, or name it with PYTHON=/path/to/python3.12." >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

book: $(READY)  ## build the website into _build/html from the stored outputs
	@# Sphinx copies changed static files only when a page has changed too, and knows nothing of our extensions.
	@test -z "$$(find book/static book/templates book/extensions -newer _build/book.stamp 2>&1)" || rm -rf _build/html _build/.doctrees
	@# After a failure the cache goes too: Sphinx would not repeat its warnings about pages it has read.
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet || { rm -rf _build/html _build/.doctrees; exit 1; }
	@touch _build/book.stamp
	@echo "Read the book: file://$(CURDIR)/_build/html/index.html"

pdf: book  ## print the whole book as one PDF, with contents and page numbers; needs Chromium or Chrome
	@$(BIN)/python -m tools.pdf

test: chapter $(READY)  ## test everything, and compare every number; CHAPTER=name: one chapter; GPU=1: what needs a GPU
	$(BIN)/pytest $(TESTS) --nbval --junitxml=_build/reports/tests.xml

chapter:
	@test -z "$(CHAPTER)" || test -f "$(CHAPTERS)" || { \
		echo "There is no chapter $(CHAPTERS). There are: $(basename $(notdir $(wildcard book/*.ipynb)))." >&2; exit 1; }

lab: $(READY)  ## open the chapters in JupyterLab
	@# JupyterLab takes the sliders out of a notebook that it does not trust. These are our own.
	@$(BIN)/jupyter trust book/*.ipynb >/dev/null
	$(BIN)/jupyter lab --notebook-dir=book

serve: book  ## build the website and serve it on this machine
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

execute: chapter $(READY)  ## execute the chapters in place: all, or one with CHAPTER=cluster_bias
	@$(BIN)/python -W ignore -m tools.execute $(CHAPTERS)

links: $(READY)  ## ask every address that the book links to whether it still answers
	$(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

lint: $(READY)  ## check the style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(READY)  ## measure the helpers' speed, and keep the table in benchmarks/results.md
	@echo "This takes about a minute."
	@$(BIN)/python benchmarks/run.py > benchmarks/results.md; status=$$?; cat benchmarks/results.md; exit $$status

history: $(READY)  ## run the documents on the versions of their day, and compare; takes hours, and 90 GB are downloaded; ONLY=tf-2.1
	@$(BIN)/python -m tools.history $(or $(ONLY),--remove)

constraints: $(READY)  ## choose anew the versions of all that requirements.txt brings along, for all three Pythons
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile requirements.txt --output-file constraints.txt --upgrade --universal --python-version 3.11 \
		--no-emit-package example-weighting --no-annotate --custom-compile-command "make constraints" --quiet

clean:  ## remove the website, the reports and the environment
	rm -rf _build .venv .pytest_cache .ruff_cache
