# `make demo` and `make test` do all the set-up: they need Python 3.10+ and a network for the packages.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# processes that share the tests
WORKERS ?= 2
# seconds that `make fuzz` gives each parser
FUZZ_SECONDS ?= 60

.PHONY: demo test test-all lint format bench faults fuzz gltf dist-test docs clean

demo: $(VENV)/.installed
	$(BIN)/depthmap predict examples/*.jpg examples/*.png -o demo-output --model Depthmap_Tiny

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0 -m "not slow"

test-all: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# half an hour with nothing beside it; BENCH=--quick sees that it works
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(if $(BENCH),$(BENCH),--pages)
	$(BIN)/python -m benchmarks.history

faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/faults --faults-full --faults-report build/faults.json --faults-page docs/reliability.md

fuzz: $(VENV)/.installed-fuzz
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(FUZZ_SECONDS) --folder build/fuzz

# our meshes under the validator of Khronos; needs Node
gltf: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/outputs/test_3d_outputs.py -k validator

# what a release uploads, built, installed and run
dist-test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/test_distribution.py -n 0

# the site in build/site; a link that leads nowhere fails
docs: $(VENV)/.installed-docs
	$(BIN)/python -m tools.site
	$(BIN)/zensical build --clean --strict

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[onnxruntime]'
	touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed
	$(PIP) -e '.[fuzz]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo-output .mypy_cache .ruff_cache .pytest_cache build dist
