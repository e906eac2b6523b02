# Every command of the project. `make` alone lists them. Set-up happens by itself: a target that needs the virtual
# environment makes it, and makes it anew only when pyproject.toml or constraints.txt changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
READY := .make/ready
PACKAGES := -c constraints.txt -e '.[dev]' --config-settings editable_mode=compat

# The first interpreter of a supported version that can make virtual environments. Override: make setup PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)

# Dagster's home on one machine: runs, ticks and logs survive a restart. Dagster wants an absolute path.
# Not for the tests: each makes a home of its own.
HOME_DIR := .dagster
dev sandbox-stop: export DAGSTER_HOME := $(CURDIR)/$(HOME_DIR)

# Not even an accidental skip passes for a success.
# An image that sets it would have every process of a test compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

PYTEST := $(PY) -m pytest -p dev.pytest_no_skips

.PHONY: help setup lock upgrade wheel-check sbom audit demo dev test test-ci test-all coverage machine matrix day test-live test-e2e test-e2e-ci test-celery test-k8s test-shops test-prometheus image check format docs env-example server-script medusa medusa-down sandbox-stop bench bench-idle-changes bench-visible bench-export bench-load bench-operations bench-sensors soak bench-nights bench-quiet-night bench-large-nights bench-workers bench-carts killed-mails bench-export-memory bench-minute bench-prices bench-stock bench-top-sellers bench-variants clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything in it (the other commands do this by themselves)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv found. Debian: apt-get install python3 python3-venv; \
	or name one: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(PY) || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing into $(VENV) (first time: a minute or two)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --system-certs --compile-bytecode --python $(PY) $(PACKAGES) || { \
	echo "uv did not get the packages (it does not read pip's settings): pip tries"; \
	$(PY) -m pip install --quiet --disable-pip-version-check $(PACKAGES); }
	@mkdir -p .make && touch $@

$(HOME_DIR)/dagster.yaml: dagster.yaml
	@mkdir -p $(HOME_DIR)
	@cp dagster.yaml $@

lock: $(READY) ## Add to constraints.txt what pyproject.toml asks for; the versions that stand there stay
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --quiet $(UPGRADE) \
		--no-header --no-annotate --no-emit-index-url --output-file constraints.txt
	@echo "constraints.txt written"

upgrade: UPGRADE := --upgrade
upgrade: lock ## Compute constraints.txt anew with the newest versions that pyproject.toml allows

demo: $(READY) ## Run the nightly jobs on an embedded shop, then serve the UI on 127.0.0.1:3000, or PORT=
	@exec $(PY) -m dev.demo $(if $(PORT),--port $(PORT))

dev: $(READY) $(HOME_DIR)/dagster.yaml ## Serve the UI on 127.0.0.1:3000, or PORT=, against the servers named in .env
	@echo "In force is $(HOME_DIR)/dagster.yaml, a copy of the dagster.yaml here. Dagster will warn that there are two."
	@exec $(PY) -m dev.local_dagster $(if $(PORT),--port $(PORT))

# A worker that is done takes over from those that are not: the tests are not equally long.
SPREAD := -n auto --maxprocesses 4 --dist worksteal --durations=25
# What `make test-all` runs, `make test-ci` without what is marked slow, and `make test` without what is marked slow or
# long and without the state machine.
QUICK := tests/unit tests/sandbox
ALL_TESTS := tests/machine $(QUICK)

test: $(READY) ## Unit tests, and the tasks against the embedded servers: what takes less than half a second each
	@$(PYTEST) $(SPREAD) -m "not slow and not long" $(QUICK)

test-all: $(READY) ## The same with what takes long: processes that are killed, databases, a shop's year in random order
	@$(PYTEST) $(SPREAD) $(ALL_TESTS)

test-ci: $(READY) ## What every change has to pass: make test, longer ones, the state machine; .ci/nightly runs the rest
	@$(PYTEST) $(SPREAD) -m "not slow" $(ALL_TESTS)

coverage: $(READY) ## All of it, every task through Dagster, with coverage of statements and branches, which must not fall
	@RUNS=dagster $(PYTEST) $(SPREAD) --cov --cov-report=term --cov-report=json:.make/coverage.json $(ALL_TESTS)
	@$(PY) -m dev.branch_coverage .make/coverage.json

machine: $(READY) ## A shop's year in random order, many times (EXAMPLES=400 STEPS=25; SEED= repeats one)
	@$(if $(SEED),MACHINE_SEED=$(SEED)) MACHINE_EXAMPLES=$(or $(EXAMPLES),400) MACHINE_STEPS=$(or $(STEPS),25) $(PYTEST) tests/machine

# Two files at once: each worker opens one shop and tries one thing after the other on it.
matrix: $(READY) ## Kill runs and servers at any moment, break any call, any field: a sample (ALL=1: everything, two hours)
	@MATRIX_ALL=$(ALL) $(PYTEST) -n 2 tests/matrix

# Two tests at once, each worker in a shop of its own. Where the environment names a server there is only one.
test-live: $(READY) ## Every suite against a real Medusa on PostgreSQL, and a real ERPNext if ERPNEXT_URL names one (needs Node 20 and nginx)
	@$(PYTEST) --durations=15 $(if $(MEDUSA_URL)$(ERPNEXT_URL),,-n 2 --dist worksteal) tests/live

day: $(READY) ## A day of a shop on a real Medusa: staff save, a night, kills; then a customer sees what ERPNext has (MINUTES=5 EDITS=150)
	@DAY_MINUTES=$(or $(MINUTES),5) DAY_EDITS=$(or $(EDITS),150) $(PYTEST) -s tests/day

# Installations mostly wait for ticks, so three share two cores. conftest.py starts first what takes longest.
test-e2e: $(READY) ## The UI in Chromium, webserver and daemon, on PostgreSQL and on SQLite (needs chromium)
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder --durations=15 tests/e2e

test-e2e-ci: $(READY) ## The same without what is marked slow, which .ci/nightly runs
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder --durations=15 -m "not slow" tests/e2e

test-celery: $(READY) ## Runs on two Celery workers, one of them killed (needs redis-server)
	@$(PYTEST) tests/cluster/test_celery.py

test-k8s: $(READY) ## Runs as pods: Dagster's launcher with the chart's values against a fake Jobs API
	@$(PYTEST) tests/cluster/test_kubernetes.py

test-shops: $(READY) ## Two shops in one Dagster, one of them broken
	@$(PYTEST) tests/cluster/test_shops.py

test-prometheus: $(READY) ## A real Prometheus reads the metrics and the dashboard's queries find something (needs prometheus)
	@$(PYTEST) tests/cluster/test_prometheus.py

image: $(READY) ## Build the image and start it read-only (needs root, buildah, debootstrap; BASE=... names another base)
	@$(PY) -m dev.image $(if $(BASE),--base $(BASE))
	@$(PYTEST) tests/cluster/test_image.py

check: $(READY) ## Format, lint, types, import contracts, secrets, .env.example
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(PY) dev/env_example.py --check
	@$(PY) dev/settings_doc.py --check
	@$(PY) dev/writable.py --check
	@$(PY) dev/task_docs.py --check
	@$(PY) dev/secret_scan.py
	@$(BIN)/dg check toml
	@$(BIN)/dg check defs
	@$(BIN)/pyright --threads 2

wheel-check: $(READY) ## Build the wheel, install it into a clean environment, load the code location from it
	@$(PY) dev/wheel_check.py

sbom: $(READY) ## Write the bill of materials of what is shipped into dist/, and check the licences in it
	@$(PY) -m dev.sbom

audit: $(READY) ## Ask PyPI for known weaknesses of the pinned versions (needs the internet)
	@$(BIN)/uv tool run pip-audit==2.10.1 --strict --disable-pip --no-deps --requirement constraints.txt

format: $(READY) ## Put the code into shape
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

env-example: $(READY) ## Write .env.example and docs/settings.md from the settings table
	@$(PY) dev/env_example.py
	@$(PY) dev/settings_doc.py

docs: $(READY) ## Write the tables of tasks, assets, fields and rights into the pages that show them
	@$(PY) dev/task_docs.py

server-script: $(READY) ## Write the table of what may be written into the Server Script's text
	@$(PY) dev/writable.py

medusa: $(READY) ## Start a real Medusa on free loopback ports and print the settings for it
	@$(PY) dev/medusa.py up

medusa-down: $(READY) ## End that Medusa and its PostgreSQL
	@$(PY) dev/medusa.py down

sandbox-stop: $(READY) ## End the embedded ERPNext and Medusa
	@directory=$$($(PY) -c 'from erp_medusa_pipelines import connections, settings; \
		print(connections.sandbox_directory(settings.load_settings()))'); \
	$(PY) -m erp_medusa_sandbox stop --state-dir "$$directory"

bench: $(READY) ## Measure and write bench/RESULTS.md (an hour or two on a quiet machine; SMALL=1 less; ONLY="visible export")
	@$(PY) -m bench.results $(if $(SMALL),--small) $(if $(ONLY),--only $(ONLY))

bench-idle-changes: $(READY) ## Measure what `follow_changes` costs while nothing changes
	@$(PY) -m bench.idle_changes

bench-visible: $(READY) ## Measure from a save in the ERP until a customer sees it
	@$(PY) -m bench.visible

bench-export: $(READY) ## Measure the export against a real Medusa
	@$(PY) -m bench.export

bench-variants: $(READY) ## Measure variants as options against a real Medusa, and a night without changes
	@$(PY) -m bench.variants

bench-prices: $(READY) ## Measure the prices against a real Medusa
	@$(PY) -m bench.prices

bench-stock: $(READY) ## Measure the stock against a real Medusa
	@$(PY) -m bench.stock

bench-top-sellers: $(READY) ## Measure the best sellers over millions of invoice lines
	@$(PY) -m bench.top_sellers

bench-minute: $(READY) ## Measure the tasks of every minute: idle, passwords, mails (20 minutes)
	@$(PY) -m bench.minute

bench-export-memory: $(READY) ## Measure the memory of the export's run process at 2,000, 10,000 and 20,000 items
	@$(PY) -m bench.export_memory

bench-operations: $(READY) ## Measure from healed fault to green, and the storage of a quiet day
	@$(PY) -m bench.operations

bench-sensors: $(READY) ## Measure the ticks of both sensors where 256 batches have failed (REFERENCE=another checkout)
	@$(PY) -m bench.sensors $(if $(REFERENCE),--reference $(REFERENCE))

bench-nights: $(READY) ## Simulate the nights of shops of up to a million items
	@$(PY) -m bench.nights

bench-quiet-night: $(READY) ## Measure a night without changes (REFERENCE=another checkout)
	@$(PY) -m bench.quiet_night $(if $(REFERENCE),--reference $(REFERENCE))

bench-large-nights: $(READY) ## Measure a night without changes and one with 1 % on a shop of ITEMS= (20000) in BATCHES= (16)
	@$(PY) -m bench.large_nights --items $(or $(ITEMS),20000) --batches $(or $(BATCHES),16)

bench-workers: $(READY) ## Measure a night at 1, 2 and 4 runs at once, a fixed time for each request
	@$(PY) -m bench.workers

bench-carts: $(READY) ## Measure carts in number: reading 100,000 customers; deleting 20,000 carts of the Medusa of make medusa
	@$(PY) -m bench.carts read
	@$(PY) -m bench.carts delete

killed-mails: $(READY) ## Mails about 1,000 carts, then newsletters, while runs are killed at random: nobody may get two (NUMBER= KILLS= SEED=)
	@$(PY) -m dev.killed_mails --about carts --number $(or $(NUMBER),1000) --kills $(or $(KILLS),30) --seed $(or $(SEED),1)
	@$(PY) -m dev.killed_mails --about newsletters --number $(or $(NUMBER),1000) --kills $(or $(KILLS),30) --seed $(or $(SEED),1)

soak: $(READY) ## Half an hour of faults and kills, then everything must be green by itself (MINUTES=30 SEED=)
	@$(PY) -m dev.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

bench-load: $(READY) ## Measure how long the code location takes to load
	@$(PY) -m bench.load_time

clean: ## Remove what the commands made, except .env and the history in .dagster
	@rm -rf $(VENV) .demo .make build dist artifacts .pytest_cache .coverage* .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
