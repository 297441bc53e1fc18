# `make demo` and `make test` need Python 3.11, 3.12 or 3.13 and nothing else: each makes .venv by itself and repeats in seconds.
# Another interpreter: make demo PYTHON=/path/to/python3.12     Other settings: make demo OVERRIDES="seed=1"
# Arguments for pip, such as an index of CPU builds, a proxy, a folder of wheels: make demo PIP_ARGS="--proxy http://proxy:3128"
# An environment that is there already, with its torch if the version fits: make demo VENV=DIR

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
VERSIONS ?= tried
EXTRA ?=
INSTALL = $(BIN)/python tools/install.py --versions $(VERSIONS)
# An interpreter counts only if it runs: the shim of a version manager may stand on the path and lead nowhere.
FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do $$name $(FITS) >/dev/null 2>&1 && echo $$name && break; done)
WORKERS ?= 2
OVERRIDES ?=
TESTS ?=
SHORT ?=
OUTPUT ?=
SEED ?= 0
CHAIN := runs/demo_downstream/seed_$(SEED)

.DEFAULT_GOAL := help
.PHONY: help demo demo-downstream docs gpu test lint types unit newest lowest golden constraints format wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.package ## render the demo's videos, pretrain on them, print the table
	$(BIN)/python -m vclr_pl.train experiment=demo $(OVERRIDES)

# What one encoder is worth downstream, beside the same network at random initialization. Localization scores classes by a recognizer.
RECOGNITION := $(foreach start,random pretrained,$(foreach mode,linear full,$(CHAIN)/$(mode)_from_$(start)/results.json))
LOCALIZATION := $(foreach start,random pretrained,$(CHAIN)/localized_by_$(start)/results.json)
ENCODER_random = encoder=random backbone=small_resnet
ENCODER_pretrained = encoder=$(CHAIN)/pretrained
LOCALIZE = $(BIN)/python -m vclr_pl.localize experiment=localize/demo seed=$(SEED) paths.runs=$(CHAIN)

demo-downstream: $(VENV)/.package ## the demo's encoder downstream: recognition and localization, one table; another seed: SEED=1
	@$(MAKE) --no-print-directory $(RECOGNITION) $(LOCALIZATION)
	$(BIN)/python -m vclr_pl.report $(RECOGNITION) $(LOCALIZATION) --metrics recognition_top1,recognition_mean_class,ar_100,auc,map

$(CHAIN)/pretrained/results.json:
	$(BIN)/python -m vclr_pl.train experiment=demo seed=$(SEED) hydra.run.dir=$(@D)

$(RECOGNITION): $(CHAIN)/pretrained/results.json
	$(BIN)/python -m vclr_pl.finetune experiment=finetune/demo seed=$(SEED) hydra.run.dir=$(@D) \
	  mode=$(firstword $(subst _, ,$(notdir $(@D)))) $(ENCODER_$(lastword $(subst _, ,$(notdir $(@D)))))

$(CHAIN)/logits/features/videos.csv: $(CHAIN)/full_from_pretrained/results.json
	$(LOCALIZE) name=logits stages=[features] encoder=$(CHAIN)/full_from_pretrained

$(LOCALIZATION): $(CHAIN)/pretrained/results.json $(CHAIN)/logits/features/videos.csv
	$(LOCALIZE) name=$(notdir $(@D)) class_scores=$(CHAIN)/logits/features $(ENCODER_$(lastword $(subst _, ,$(notdir $(@D)))))

docs: $(VENV)/.documentation ## the documentation site in site/, with the API reference; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html."

# Without a network: .venv where it is there, else an interpreter that has the dependencies. OUTPUT=FILE.json chooses the file.
gpu: ## a GPU in ten minutes: tests, steps, memory, files, demo, into benchmarks/results/; on a CPU in tiny sizes: SHORT=1
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) benchmarks/gpu.py $(if $(SHORT),--short) $(if $(OUTPUT),--output "$(OUTPUT)")

test: lint types unit ## all that a change has to pass: ruff, mypy, pytest

lint: $(VENV)/.development ## ruff's rules and its format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.development ## mypy, strict, on src/
	@$(BIN)/mypy

unit: $(VENV)/.development ## pytest alone; a part: make unit TESTS=tests/unit/op
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

newest: ## pytest with the newest versions that pyproject.toml takes, in .venv-newest, made anew
	@rm -rf .venv-newest
	@$(MAKE) --no-print-directory unit VENV=.venv-newest VERSIONS=newest

lowest: ## pytest with the lowest versions that pyproject.toml takes, in .venv-lowest
	@$(MAKE) --no-print-directory unit VENV=.venv-lowest VERSIONS=lowest

golden: $(VENV)/.development ## the golden curves of tests/golden/ anew, after a change that is meant to change losses
	@$(BIN)/python -m tests.golden.renew

constraints: ## constraints.txt anew: the newest versions that Python 3.11 takes, for every extra
	@rm -rf .venv-newest
	@$(MAKE) --no-print-directory .venv-newest/.package VENV=.venv-newest VERSIONS=newest EXTRA=dev,sweep PYTHON=python3.11
	@{ grep '^#' constraints.txt; .venv-newest/bin/python -m pip freeze --all --exclude-editable --exclude pip; } > .venv-newest/constraints.txt
	@mv .venv-newest/constraints.txt constraints.txt

format: $(VENV)/.development ## let ruff repair and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

wheel: $(VENV)/.development ## dist/*.whl, with conf/ inside
	@$(BIN)/python -m build --wheel --outdir dist .

clean: ## remove the environments that make made and what the tools left; runs/, data/ and VENV=DIR stay
	rm -rf .venv .venv-newest .venv-lowest build dist site .mypy_cache .ruff_cache .pytest_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(if $(PYTHON),:,echo "No Python 3.11, 3.12 or 3.13 runs here. Install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1)
	@$(PYTHON) $(FITS) || { echo "$(PYTHON) says: $$($(PYTHON) --version 2>&1 | head -n 1). Python 3.11, 3.12 or 3.13 is needed: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments with pip: its modules venv and ensurepip are missing." >&2; \
	  echo "On Debian and Ubuntu they are the package $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])');" \
	       "or name another interpreter: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV) $$($(PYTHON) tools/install.py --holds-torch && echo --system-site-packages) || { rm -rf $(VENV); exit 1; }

$(VENV)/.package: pyproject.toml constraints.txt tools/install.py | $(BIN)/python
	@$(INSTALL) --extra "$(EXTRA)" -- $(PIP_ARGS)
	@touch $@

$(VENV)/.development: pyproject.toml constraints.txt tools/install.py | $(BIN)/python
	@$(INSTALL) --extra "$(or $(EXTRA),dev)" -- $(PIP_ARGS)
	@touch $@ $(VENV)/.package $(VENV)/.documentation

$(VENV)/.documentation: pyproject.toml constraints.txt tools/install.py | $(BIN)/python
	@$(INSTALL) --extra "$(or $(EXTRA),docs)" -- $(PIP_ARGS)
	@touch $@ $(VENV)/.package
