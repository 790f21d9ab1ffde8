# make compare   set up, then compare trained agents with rats (figure and tables in comparison/)
# make test      set up, then run the tests
# make zoo       train the agents of the package anew, two processes at a time
# PYTHON=python3.12 make test   uses another Python (3.11 or newer)

PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/.installed
ZOO = neuro_metarl/data/zoo
EXPERIMENTS = bandit-independent bandit-dependent-hard bandit-dependent-uniform bandit-dependent-medium \
	bandit-dependent-easy bandit-restless bandit-eleven two-step-2016 harlow

.PHONY: compare test check zoo clean

compare: $(STAMP)
	$(BIN)/neuro-metarl compare-to-rodent-data --overwrite

test: $(STAMP)
	$(BIN)/pytest -q -n 2

check: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

zoo: $(STAMP)
	$(BIN)/neuro-metarl train two-step --recipe thorough --agents 16 --seed 0 --out $(ZOO)/two-step
	printf '%s\n' $(EXPERIMENTS) | xargs -P 2 -I {} \
		$(BIN)/neuro-metarl train {} --agents 8 --seed 0 --out $(ZOO)/{}
	$(BIN)/neuro-metarl train harlow-pixels --agents 5 --seed 0 --out $(ZOO)/harlow-pixels
	$(BIN)/neuro-metarl train navigation --agents 5 --seed 0 --out $(ZOO)/navigation
	$(BIN)/neuro-metarl train navigation --agents 3 --seed 0 --change core=feed-forward \
		--out $(ZOO)/navigation-feed-forward

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; try: make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv comparison
