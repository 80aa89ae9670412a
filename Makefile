# Everything on a bare machine that has Python 3.11 to 3.13, make and git. `make` alone says what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install repro test long fast lint docs verify fresh picture attack year portable

PYTHON ?= python3
WORKERS ?= 2
# Further words for the command behind a target: make test ARGS="-k rounds", make verify ARGS=--worktree
ARGS ?=
# The stamp holds the folder's place: the commands in a .venv that has moved along with its folder no longer start.
INSTALLED := .venv/.installed
MOVED := $(shell [ -s $(INSTALLED) ] && [ "$$(cat $(INSTALLED))" != "$(CURDIR)" ] && echo yes)
$(if $(MOVED),$(eval .PHONY: $(INSTALLED)))
# `dvc repro` finds `python`, `labelrounds` and `dvc` in the environment made here, whatever else is installed.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 15

install: $(INSTALLED) ## set up .venv with the versions of constraints.txt; nothing happens when they are there

repro: $(INSTALLED) ## run what changed of the pipeline, then show the results
	dvc repro $(ARGS)
	labelrounds results

# A file of tests stays with one worker, which makes its projects once; in the order of the alphabet, the long ones
# are not left for the end.
PYTEST := pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 25

test: $(INSTALLED) ## run all tests, but for the longest
	$(PYTEST) -m "not long" $(ARGS)

long: $(INSTALLED) ## run the longest tests: a short year of a team, a pool that lives, hundreds of labels
	$(PYTEST) -m long $(ARGS)

fast: $(INSTALLED) ## run the quick tests, in about a minute
	$(PYTEST) -q -m "not slow and not long" $(ARGS)

lint: $(INSTALLED) ## check the style, the format, the spelling, the declared packages and the types of the code
	ruff check .
	ruff format --check .
	codespell
	deptry .
	deptry tests --config pyproject.toml --exclude nothing --ignore DEP002,DEP004
	pyright

docs: $(INSTALLED) ## build the pages of docs/ into site/, and check their links
	@[ -x .venv/bin/mkdocs ] || python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict $(ARGS)

picture: $(INSTALLED) ## draw the pictures of docs/images in Chromium: the top of the report without texts, and the labelling page
	labelrounds report --no-texts scratch/report.html
	mkdir -p docs/images
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1180,1000 --screenshot=docs/images/report.png scratch/report.html
	python -m benchmarks.serve_picture $(ARGS)

attack: $(INSTALLED) ## kill, fuzz, crowd and starve a project for a while, and print what came out: make attack ARGS="--minutes 10"
	python -m tests.attack $(ARGS)

year: $(INSTALLED) ## play a year of a team with a tiny model, and look whether a label is lost: about an hour
	python -m tests.year $(ARGS)

portable: $(INSTALLED) ## compare bytes and times of `runtime.reproducible: portable` on processors that qemu plays: an hour or more
	python -m benchmarks.portable $(ARGS)

verify: $(INSTALLED) ## run the pipeline in two fresh clones and compare every byte of the results
	labelrounds verify $(ARGS)

# A stale dvc.lock can exit with 0, so the words count. Without data DVC stops at a stale stage, since it cannot read
# what the stage would read; --keep-going then names the others. What comes after a stale stage looks unchanged until
# that has run. A machine that has DVC already needs nothing else for this.
fresh: $(if $(shell command -v dvc),,$(INSTALLED)) ## say whether dvc.lock fits code, params and labels; needs no data
	@failed=; out=$$(dvc repro --dry --allow-missing --keep-going 2>&1) || failed=yes; \
	stale=$$(sed -nE "s/^(Running stage|ERROR: failed to reproduce) '([^']*)'.*/  \2/p" <<<"$$out"); \
	for file in $$(sed -nE 's/^ *- path: (metrics\/.*\.(json|csv))$$/\1/p' dvc.lock); do [ -e "$$file" ] || stale+=$$'\n'"  $$file (missing)"; done; \
	if [ -n "$$stale" ]; then \
	  echo "Stale: dvc.lock or a metrics file does not fit the code, the parameters or the data of"; \
	  echo "$$stale"; \
	  echo "and so of the stages after them. Type: dvc repro && git add -A dvc.lock data metrics && git commit"; \
	  exit 1; \
	elif [ -n "$$failed" ]; then \
	  echo "$$out"; \
	  echo "DVC cannot read the pipeline: correct what it says above."; \
	  exit 1; \
	fi; \
	echo "Fresh: dvc.lock fits the code, the parameters and the data."

# torch is asked for by its exact version, or pip first downloads gigabytes of others. The stamp comes last, so
# that an interrupted set-up goes on at the next call.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "make needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not: type, for instance, make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv: this takes a few minutes, once."
	@$(PYTHON) -m venv $(if $(MOVED),--clear) .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt torch==2.13.0 -e ".[test]"
	@echo '$(CURDIR)' > $@
