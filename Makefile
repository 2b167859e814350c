# `make demo` and `make test` need python3.11 or later, make and gcc; everything else is installed into .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
OLD_CLIENT := .venv-wandb-old
MOTO := .venv-moto
BIN := $(VENV)/bin
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check lint types imports docs docs-check bench calibrate clean

help:
	@echo "make demo    tune the example classifier on real bars and judge the winner"
	@echo "make test    run the whole test suite"
	@echo "make check   lint, types, import law, docs, then the whole test suite"
	@echo "make docs    write the generated pages of docs/reference anew"
	@echo "make calibrate  how often noise is called real, and edges are found; an hour or two"
	@echo "make bench   measure sharpen beside its peers; prints tables"

$(VENV)/ready: pyproject.toml constraints.txt
	./.ci/make-venv "$(PYTHON)" $(VENV)
	touch $@

$(OLD_CLIENT)/ready: $(VENV)/ready .ci/wandb-0.19.txt
	$(BIN)/python -m venv --clear --without-pip $(OLD_CLIENT)
	$(BIN)/python -m pip --python $(OLD_CLIENT)/bin/python install --quiet -r .ci/wandb-0.19.txt
	touch $@

$(MOTO)/ready: $(VENV)/ready .ci/moto.txt
	$(BIN)/python -m venv --clear --without-pip $(MOTO)
	$(BIN)/python -m pip --python $(MOTO)/bin/python install --quiet -r .ci/moto.txt
	touch $@

demo: $(VENV)/ready
	$(BIN)/sharpen run sweeps/xgboost_sweep.yaml --agents 2 --trials 40

test: $(VENV)/ready
	$(BIN)/python -m pytest -n $(WORKERS)

check: lint types imports docs-check $(OLD_CLIENT)/ready $(MOTO)/ready test

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/ready
	$(BIN)/pyright

imports: $(VENV)/ready
	$(BIN)/lint-imports

docs: $(VENV)/ready
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/ready
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/ready
	$(BIN)/python benchmarks/labels.py --mlfinpy
	$(BIN)/python benchmarks/coordinator.py
	$(BIN)/python benchmarks/demo.py
	$(BIN)/python benchmarks/caps.py --quick
	$(BIN)/python benchmarks/asks.py --quick
	$(BIN)/python benchmarks/xgboost_sweep.py --quick

calibrate: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/calibration.py

clean:
	rm -rf $(VENV) $(OLD_CLIENT) $(MOTO) build dist
