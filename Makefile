# Every task of a developer. `make help` lists them; it is made from the comments behind the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := backend/.venv
BIN := .venv/bin
READY := $(VENV)/.installed

.PHONY: help setup run token test lint format lock

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# --no-deps, because the file names everything: the search of pip before 23.3 for coverage[toml], which pytest-cov wants,
# failed for want of a hash on the day when a newer coverage than the pinned one appeared.
$(READY): backend/requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	cd backend && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements-dev.txt
	@touch $@

setup: $(READY) ## Make backend/.venv with the pinned requirements (the other targets do it themselves)

run: $(READY) ## Serve http://localhost:8000 with reload, on an embedded PostgreSQL unless .env names another [OTEL=1: traces]
	@cd backend && exec $(BIN)/python -m dev.run $(if $(OTEL),--traces)

# Only the USER of the command line is meant, since a login sets one too. It is what was typed, to the letter: neither
# make (`value`) nor the shell (which finds it in its environment) reads anything into it.
ifeq ($(origin USER),command line)
override USER := $(value USER)
endif
token: export TOKEN_USER := $(if $(filter override,$(origin USER)),$(USER))
token: $(READY) ## Print a development token and a request that uses it: make token USER=alice [BARE=1]
	@cd backend && $(BIN)/python -m dev.token $(if $(BARE),--bare) -- "$$TOKEN_USER"

test: $(READY) ## Run the tests on a PostgreSQL of their own (TEST_DATABASE_URL names another; TESTS=tests/http only those)
	cd backend && $(BIN)/python -m pytest $(if $(TESTS),--no-cov $(TESTS),--cov --cov-report=term)

lint: $(READY) ## Check style, types and who imports whom
	cd backend && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && \
	  $(BIN)/lint-imports --no-cache --no-logo

format: $(READY) ## Rewrite the code in the project's style
	cd backend && $(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: $(READY) ## Pin the dependencies of backend/pyproject.toml anew, with hashes
	cd backend && for extra in "" "-dev"; do \
	  $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	    $${extra:+--extra dev} --custom-compile-command "make lock" --output-file requirements$$extra.txt \
	    || exit 1; done

.PHONY: openapi lint-openapi swagger-ui client client-test browser
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund --silent

openapi: $(READY) ## Write backend/docs/openapi.json anew, from the routes
	cd backend && $(BIN)/python -m dev.openapi

# The folder is there, and new, before what belongs into it is.
backend/%/node_modules/.installed: backend/%/package-lock.json
	cd backend/$* && $(NPM_CI)
	@touch $@

lint-openapi: backend/tools/node_modules/.installed ## Check backend/docs/openapi.json by Redocly's recommended rules (needs Node.js)
	cd backend/tools && REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
	  node_modules/.bin/redocly lint --config redocly.yaml ../docs/openapi.json

SWAGGER_UI := swagger-ui.css swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt LICENSE NOTICE
swagger-ui: backend/tools/node_modules/.installed ## Copy the pinned Swagger UI into backend/src/static, after its version changed
	cd backend && for file in $(SWAGGER_UI); do \
	  cp tools/node_modules/swagger-ui-dist/$$file src/static/swagger-ui/$$file || exit 1; done

client: openapi backend/clients/typescript/node_modules/.installed ## Generate the TypeScript types anew (needs Node.js)
	cd backend/clients/typescript && npm run --silent generate && npm run --silent check

client-test: $(READY) backend/clients/typescript/node_modules/.installed ## Run every operation through the TypeScript client, compare the order by title with ICU (needs Node.js)
	cd backend && $(BIN)/python -m pytest -m node tests/test_typescript_client.py tests/test_typescript_package.py \
	  tests/postgres/test_title_order.py tests/test_visible_titles.py

browser: $(READY) backend/tests/browser/node_modules/.installed ## Test /docs in Chromium (needs Node.js and Chromium; CHROMIUM names it)
	cd backend && $(BIN)/python -m pytest -m browser -s tests/browser

# What a project gets that installs the client; the example installs a copy of it.
backend/clients/typescript/dist: backend/clients/typescript/node_modules/.installed $(wildcard backend/clients/typescript/*.json) \
  $(wildcard backend/clients/typescript/src/*)
	cd backend/clients/typescript && { npm run --silent build || { rm -rf dist; exit 1; }; }
	@touch $@

backend/examples/nextjs/node_modules/.installed: backend/clients/typescript/dist

.PHONY: client-package example e2e
client-package: backend/clients/typescript/dist ## Pack the TypeScript client as a file that a project can install
	cd backend/clients/typescript && npm pack --silent --ignore-scripts

example: $(READY) backend/examples/nextjs/node_modules/.installed ## Run API, Better Auth and a Next.js frontend: http://localhost:3000
	@cd backend && exec $(BIN)/python -m examples

e2e: $(READY) ## Run the service with a real Better Auth server and a browser (needs Node.js, Chromium, port 3000)
	cd backend && $(BIN)/python -m pytest -m e2e tests/e2e

# --- Containers ---

.PHONY: images space

images: $(READY) ## Build and run the images and the Compose file for real (needs root on Debian 12)
	.ci/images

space: ## Lay out the Hugging Face Space as a commit in space/ (SPACE_REMOTE= its address)
	deploy/space/layout space $(SPACE_REMOTE)

.PHONY: stress test-pooler fuzz soak

stress: $(READY) ## Run the long fault tests: load, outages, hostile clients, shutdown (under 5 minutes)
	cd backend && $(BIN)/python -m pytest -m stress

test-pooler: $(READY) ## Run the tests through PgBouncer in transaction mode, as behind Neon's pooled host
	cd backend && $(BIN)/python -m tests.pooled

fuzz: $(READY) ## Fuzz the API by its OpenAPI document for some minutes (FUZZ_EXAMPLES=300)
	cd backend && FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),300) $(BIN)/python -m pytest --no-cov tests/test_fuzz.py

soak: $(READY) ## Mixed load with faults for SOAK_MINUTES=10; reports memory, leaks, consistency
	cd backend && $(BIN)/python -m tests.soak

.PHONY: bench
bench: $(READY) ## Measure speed beside five other stacks, some 27 minutes; QUICK=1 some 5 (backend/benchmarks/settings.py)
	cd backend && BENCH_QUICK=$(QUICK) $(BIN)/python -m benchmarks
