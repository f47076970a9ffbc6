# Everything here needs only Python 3.11 to 3.13; the rest is installed into .venv from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test soak lint docs lock clean

demo: $(INSTALLED)
	@PATH="$(abspath $(BIN)):$$PATH" python -m recipes.demo

# A file's tests share what they prepare and train, so one process runs all of them.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

# Kills, stops and starves training runs at random; SEED=… for other faults.
SEED ?= 0
soak: $(INSTALLED)
	$(BIN)/python -m tests.faults.soak --faults=50 --seed=$(SEED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Writes the pages that the code says by itself.
docs: $(INSTALLED)
	$(BIN)/python -m headrace.reference > docs/flags.md
	$(BIN)/python -m models.reference > docs/models.md
	$(BIN)/python -m trainer.reporting.reference docs/images > docs/signs.md
	$(BIN)/python -m recipes.reference > docs/recipes.md

# Pins every version; run it after changing the ranges in setup.py.
lock: $(INSTALLED)
	$(BIN)/uv pip compile setup.py --extra test --universal --python-version 3.11 --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--upgrade --quiet --output-file requirements.lock

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' \
		|| { echo "error: $(PYTHON) is not Python 3.11 to 3.13; name one with make PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

clean:
	rm -rf $(VENV) demo
