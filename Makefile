# Every task of a developer. `make help` lists them; it is made from the comments behind the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := backend/.venv
BIN := .venv/bin
READY := $(VENV)/.installed

.PHONY: help setup run token test lint format lock

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): backend/requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	cd backend && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

setup: $(READY) ## Make backend/.venv with the pinned requirements (the other targets do it themselves)

run: $(READY) ## Serve http://localhost:8000 with reload, on an embedded PostgreSQL unless .env names another
	@cd backend && exec $(BIN)/python -m dev.run

token: $(READY) ## Print a development token and a request that uses it: make token USER=alice
	@cd backend && $(BIN)/python -m dev.env && $(BIN)/python -m dev.token "$(USER)"

test: $(READY) ## Run the tests on a PostgreSQL of their own (TEST_DATABASE_URL names another)
	cd backend && $(BIN)/python -m pytest --cov --cov-report=term

lint: $(READY) ## Check style and types
	cd backend && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY) ## Rewrite the code in the project's style
	cd backend && $(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: $(READY) ## Pin the dependencies of backend/pyproject.toml anew, with hashes
	cd backend && for extra in "" "-dev"; do \
	  $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    $${extra:+--extra dev} --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file requirements$$extra.txt; done

.PHONY: bench
bench: $(READY) ## Measure speed beside three usual stacks, some 15 minutes; QUICK=1 some 3 (backend/benchmarks/)
	cd backend && BENCH_QUICK=$(QUICK) $(BIN)/python -m benchmarks
