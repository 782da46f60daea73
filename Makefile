# Every target does its own set-up: all it needs is Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests sync thousands of files: in memory, where there is such a place, they take a sixth less.
SCRATCH := $(shell test -w /dev/shm && echo /dev/shm || echo $${TMPDIR:-/tmp})
FUZZ_SECONDS ?= 600
# One more than there are processors: much of a test's time it waits for a disk or a clock.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: help setup test check lint types demo demo-ccxt bench fuzz soak soak-short soak-faults sample golden clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

setup: $(READY)  ## a virtual environment with everything pinned

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[test]'
	@touch $@

# Each worker would compile all tests anew where no bytecode is kept: eight seconds of each.
test: $(READY)  ## all tests
	PYTHONDONTWRITEBYTECODE= TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

check: lint types test  ## all of CI: style, strict types, tests

demo: $(READY)  ## records, seals, replays and certifies a local venue; no network
	$(BIN)/python -m tests.demo

demo-ccxt: $(READY)  ## an unmodified ccxt in a recorded minute, and whether it got it right
	$(BIN)/python -m tests.demo_ccxt

bench: $(READY)  ## the figures, against named peers
	$(BIN)/python -m bench

fuzz: $(READY)  ## fuzzes all that reads what others wrote; FUZZ_SECONDS=600 for each target
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

soak: $(READY)  ## an hour at 10,000 frames/s on two connections, with faults: a table of figures
	$(BIN)/python -m tests.soak --minutes 60 --warm-up 10

soak-short: $(READY)  ## ten minutes of it
	$(BIN)/python -m tests.soak --minutes 10 --warm-up 3 --roll 1m

soak-faults: $(READY)  ## many more kills, power cuts, combinations of faults, and examples
	SOAK=1 FAULT_SCRIPTS=5000 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile \
		tests/crashes tests/faults tests/market tests/tape tests/replay

sample: $(READY)  ## makes data/sample anew from its seed
	$(BIN)/python -m tests.sample

golden: $(READY)  ## makes the golden rows anew; read the diff
	$(BIN)/python -m tests.golden.refresh

clean:  ## removes what can be made again
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz *.egg-info build
