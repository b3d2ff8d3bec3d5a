# Every target sets up what it needs in .venv; `make demo` and `make test` are all a newcomer has to know.

PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
ARGS ?=

.PHONY: help install demo quick test lint bench docs site clean clean-kernels
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: $(INSTALLED)  ## draw, pre-train, fine-tune and compare, then write a report (options: ARGS="--quick")
	$(BIN)/fdsl demo $(ARGS)

quick: $(INSTALLED)  ## the demo in under two minutes, to see that it runs
	$(BIN)/fdsl demo --quick $(ARGS)

test: $(INSTALLED)  ## run the tests, three files at a time (options: ARGS="-k sheet", ARGS="-n 0" for one)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(INSTALLED)  ## style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)  ## measure drawing, pipeline, scaling and training; JSON goes to bench/ (options: ARGS="--quick")
	for part in render pipeline scaling training; do \
	    $(BIN)/fdsl bench $$part --json bench/$$part.json $(ARGS) || exit; done

docs: $(INSTALLED)  ## the pages and pictures that are made from the program, in docs/, and the site
	$(BIN)/fdsl families --markdown docs/families.md
	$(BIN)/fdsl recipes --markdown docs/recipes.md
	$(BIN)/python tests/documents.py docs/gallery.md docs/gallery
	$(MAKE) site

site: $(INSTALLED)  ## the documentation as a site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: $(INSTALLED)  ## create .venv and install everything into it

$(INSTALLED): pyproject.toml constraints.txt
	@"$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'error: Python 3.11 or later is needed, name one with: make PYTHON=/path/to/python3.11' >&2; exit 2; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install -c constraints.txt -e ".[all,dev]"
	@touch $@

clean-kernels:  ## forget compiled kernels, after editing a function that kernels call
	find src -name '*.nb[ci]' -delete

clean:  ## remove .venv, caches and build outputs
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
