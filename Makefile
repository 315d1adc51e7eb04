# `make demo` and `make test` do all the set-up: they need Python 3.10+ and a network for the packages.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# a second environment, without torch
CORE := $(VENV)-core
PIP := -m pip install --quiet --disable-pip-version-check -c constraints.txt
# processes that share the tests
WORKERS ?= 3
# a process that starts shall find our modules compiled, as a user's does; the tests start thousands
unexport PYTHONDONTWRITEBYTECODE
# seconds that `make fuzz` gives each parser
FUZZ_SECONDS ?= 60
TESTS = -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0

.PHONY: demo test test-all test-browser frontend screens lint format bench faults fuzz gltf dist-test docs clean

demo: $(VENV)/.installed
	$(BIN)/depthmap predict examples/*.jpg examples/*.png -o demo-output --model Depthmap_Tiny

# what needs no torch is tested where there is none; `make test-all` tests it in both environments
test: lint $(CORE)/.installed
	$(CORE)/bin/python $(TESTS) -m "core and not slow"
	$(BIN)/python $(TESTS) -m "not core and not slow and not browser"

test-all: lint $(CORE)/.installed
	$(CORE)/bin/python $(TESTS) -m core
	$(BIN)/python $(TESTS) -m "not browser"

# the page in Chromium (DEPTHMAP_CHROMIUM, or the system's); needs Node
test-browser: $(VENV)/.installed-browser frontend/node_modules/.installed
	$(BIN)/python -m pytest tests/browser -n 0

# the pictures of the page in docs/images
screens: $(VENV)/.installed-browser frontend/node_modules/.installed
	$(BIN)/python -m pytest tests/browser/test_screens.py -n 0 --screens docs/images

# the page, built into src/depthmap/web/static; needs Node
frontend: frontend/node_modules/.installed
	cd frontend && npm run build

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
	$(BIN)/python $(PIP) -e .
	touch $@

$(CORE)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/python $(PIP) -e '.[core-tests]'
	touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed
	$(BIN)/python $(PIP) -e '.[torch,fuzz]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python $(PIP) -e '.[docs]'
	touch $@

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	$(BIN)/python $(PIP) -e '.[browser]'
	touch $@

frontend/node_modules/.installed: frontend/package-lock.json
	cd frontend && npm ci --no-audit --no-fund
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python $(PIP) -e '.[dev]'
	touch $@

clean:
	rm -rf frontend/node_modules $(VENV) $(CORE) demo-output .mypy_cache .ruff_cache .pytest_cache build dist
