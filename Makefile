# The project's commands. `make help` prints them.

PYTHON ?= python3
PYTEST_WORKERS ?= 2

# uv from the machine if it is there, else a private copy in .uv/.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
BIN := .venv/bin
# Pinned, since their protocols move.
AGENTS := @openai/codex@0.169.0

export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
# A certificate authority that the machine trusts is trusted here too.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
# Whoever calls make from inside another venv still gets this project's own.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help demo test test-agents check fix bench simulate venv venv-demo python clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv-demo ## Set up the core alone and dispatch the first example on this repository
	.venv-demo/bin/leadhand dispatch examples/01_digest/manifest.toml

test: venv ## Set up and run every test but the long ones
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m "not long and not agents"

test-agents: venv ## Run the tests of coding agents that npm brings, into .agents/
	@command -v npm >/dev/null || { echo "make: npm is what brings the coding agents." >&2; exit 2; }
	npm install --silent --no-audit --no-fund --prefix .agents $(AGENTS)
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m agents

check: venv ## Format, lint, types, import layers and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/house

fix: venv ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: venv ## Run the benchmarks; each prints a table
	@set -e; for bench in benchmarks/[a-z]*.py; do echo "== $$bench"; $(BIN)/python "$$bench"; done

simulate: venv ## Run the long tests: more seeds, a crash at every commit; or SEEDS=0:100 CRASHES=2
ifdef SEEDS
	$(BIN)/python -m leadhand.testing.simulate --seeds $(SEEDS) --crashes $(or $(CRASHES),all)
else
	$(BIN)/pytest -n $(PYTEST_WORKERS) --timeout 3600 -m long
endif

clean: ## Remove what the other targets set up
	rm -rf .agents .uv .venv .venv-demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

venv: python $(UV)
	@$(UV) sync --quiet --frozen

venv-demo: python $(UV)
	@UV_PROJECT_ENVIRONMENT=.venv-demo $(UV) sync --quiet --frozen --no-dev

.uv/bin/uv: | python
	@echo "uv is not installed: bringing it into .uv/"
	@$(PYTHON) -m venv .uv || { rm -rf .uv; \
		echo "make: $(PYTHON) cannot make a virtual environment." >&2; \
		echo "make: On Debian or Ubuntu: apt-get install python3-venv, then again." >&2; exit 2; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: Leadhand needs Python 3.11 or later as $(PYTHON); name another with make PYTHON=..." >&2; \
		exit 2; }
