# make compare   set up, then compare trained agents with rats (figure and tables in comparison/)
# make test      set up, then run the tests
# PYTHON=python3.12 make test   uses another Python (3.11 or newer)

PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/.installed

.PHONY: compare test check clean

compare: $(STAMP)
	$(BIN)/neuro-metarl compare-to-rodent-data

test: $(STAMP)
	$(BIN)/pytest -q -n 2

check: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; try: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv comparison
