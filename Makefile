# `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-strip-extras --no-emit-index-url --python-version 3.11 --no-header pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help install lock secrets demo up down test torture faults simulate guarantees bench check format clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

$(VENV)/.installed: requirements.lock pyproject.toml devstack/kafka.lock devstack/record_archive.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m devstack.install
	$(BIN)/python -m devstack.record_archive
	@touch $@

install: $(VENV)/.installed ## create .venv with the locked versions and fetch the broker

lock: ## resolve pyproject.toml again: for development, and for the images of the processes and of the simulator
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --all-extras --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --output-file requirements-runtime.lock
	$(COMPILE) --constraint requirements.lock --extra simulator --output-file requirements-simulator.lock

secrets: ## make the secrets of docker-compose.yml that are missing
	$(PYTHON) -m devstack.compose_secrets

demo: install ## start everything, make one video, print its events and its file, stop
	$(BIN)/tape demo

up: install ## start everything and show it; Ctrl-C stops all
	$(BIN)/tape up

down: install ## stop what `tape up --detach` started
	$(BIN)/tape down

# Two files beside each other, for most of the time they wait; in their order, which has the longest
# first.
test: install ## format, lint, types, imports and every test, on a broker and a database of its own
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

torture: install ## every fault of docs/torture.md at full size, hours; TAPE_TORTURE_FAULTS=NAME,... chooses
	TAPE_TORTURE_SIZE=full $(BIN)/python -m pytest -s tests/chaos

faults: install ## 1000 jobs with each of the simulator's faults at 20 %, on files and on S3; prints what came of each
	TAPE_FAULT_JOBS=1000 $(BIN)/python -m pytest -s tests/faults

bench: install ## measure ours against other ways, both in one run: some ten minutes on an idle machine
	$(BIN)/python -m bench

simulate: install ## 10,000 seeds of 200 jobs on virtual time, and every planted bug; a failing seed is printed with its replay
	$(BIN)/python -m tests.simulation run --seeds 10000
	$(BIN)/python -m tests.simulation planted --seeds 2000

guarantees: install ## break each guarantee of README.md in a copy of the code; the test that it names must fail
	$(BIN)/python -m tests.guarantees

check: install ## the fast half: format, lint, types, imports, rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/domain tests/contract

format: install ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove local state and the environment
	rm -rf .tape $(VENV)
