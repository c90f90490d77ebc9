# hftd: make run and make test are all that a newcomer needs. Everything is installed into .venv, pinned by hashes.
#   make run          install, and run the daemon on a simulated exchange: no keys, no services; Ctrl-C ends it
#   make test         install, and run the tests
#   make install      as a system service: sudo make install; later, sudo hftd install or sudo hftd uninstall
#   make check        style and types
#   make bench        measure, beside peers
#   make docs         build the documentation into site/; make docs-serve shows it while you write
#   make lock         pin the newest versions that fit (needs uv)
#   make clean        remove what was installed and measured

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SPEED ?= 60

INSTALL_OPTIONS ?=

.PHONY: run test install check bench docs docs-serve lock clean

run: $(VENV)/run.stamp
	@$(BIN)/hftd run --speed $(SPEED) --state state || [ $$? -eq 130 ]

test: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine -q && $(BIN)/coverage report --skip-covered --skip-empty

install: $(VENV)/run.stamp
	@$(BIN)/hftd install $(INSTALL_OPTIONS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp
	@for script in benchmarks/[a-z]*.py; do echo; echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs docs-serve: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/dev.stamp
	@$(BIN)/python docs/generate/reference.py
	@$(BIN)/mkdocs build --quiet --strict -f docs/generate/mkdocs.yml && echo "open site/index.html"

docs-serve: $(VENV)/dev.stamp
	@$(BIN)/mkdocs serve -f docs/generate/mkdocs.yml

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hftd needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3-venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

# Byte code is made here once: pip may be told not to, and then the first start would take seconds.
$(VENV)/run.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV), which takes a minute or two ..."
	@$(PIP) install -q --require-hashes -r requirements.lock
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib hftd || true
	@echo "compiling the order book and its bots, once ..."
	@$(BIN)/python -c "import hftd.exchange.market.bots.loop"
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	@$(PIP) install -q --require-hashes -r requirements-dev.lock
	@touch $@

LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

lock:
	$(LOCK) pyproject.toml --group build -o requirements.lock
	$(LOCK) pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* state site
