# The house around the code. Every target builds the .venv it needs first (see .ci/venv).
#
#   ARGS=…    more arguments: make demo ARGS=--script, make test ARGS="-k window"
#   PYTHON=…  the Python to build .venv with; otherwise the first that fits is taken
#   SEED=…    the seed of a soak to repeat
.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench soak kafka browser postgres lock clean

# Many short processes: where none may keep its bytecode, each compiles every library anew,
# which doubles the time of the tests. What is kept lies in this folder and is ignored by git.
unexport PYTHONDONTWRITEBYTECODE

ARGS ?=
PYTHON ?=
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
export PYTHON

RUNTIME := .venv/.built-runtime .venv/.built-project
DEV := $(RUNTIME) .venv/.built-dev
PYTEST := .venv/bin/python -m pytest

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(RUNTIME) ## show it all at work: little services, a crawler, the bot in this terminal
	@.venv/bin/pulsebot demo $(ARGS)

test: kafka browser postgres ## run the tests, against a real Kafka, PostgreSQL and browser
	$(PYTEST) -m "not soak" --ignore=tests/benchmarks --durations=20 $(ARGS)

lint: $(DEV) ## check style and formatting
	.venv/bin/ruff check $(ARGS)
	.venv/bin/ruff format --check

types: $(DEV) ## check types
	.venv/bin/mypy $(ARGS)

bench: kafka postgres browser ## measure, each figure against its yardstick (ARGS="ingest sdk": only these)
	@.venv/bin/python -m tests.benchmarks $(ARGS)

soak: kafka postgres ## run the long soaks and the fuzzing, by a seed that is printed
	@echo "SEED=$(SEED) (repeat with: make soak SEED=$(SEED))"
	PULSEBOT_TEST_SEED=$(SEED) $(PYTEST) -m soak --hypothesis-seed=$(SEED) $(ARGS)

kafka: $(DEV) ## get a real Kafka for the tests: Java, Maven, Kafka's jars
	@.venv/bin/python -m tests.kafka.install

browser: $(DEV) ## get a real Chromium for the tests of the pages
	@.venv/bin/python -m tests.browser.install

postgres: $(DEV) ## get a real PostgreSQL server for the tests
	@.venv/bin/python -m tests.postgres.install

lock: ## pin all dependencies with their hashes; ARGS=--upgrade takes the newest
	@.ci/lock $(ARGS)

clean: ## remove all that was built or fetched
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A change of a lock builds the environment anew, so that nothing stale stays in it.
.venv/.built-runtime: .ci/requirements.txt .ci/requirements-dev.txt .ci/venv .ci/python
	@.ci/venv runtime

.venv/.built-project: pyproject.toml .venv/.built-runtime
	@.ci/venv project

.venv/.built-dev: .venv/.built-runtime
	@.ci/venv dev
