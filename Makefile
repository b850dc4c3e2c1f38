# Everything a developer does, one word each. Needs Python 3.11 or newer and make; the rest goes into .venv.

BIN := .venv/bin
PY := $(BIN)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test lint bench drills intent-report mail-report mail-fuzz format queries tables lock wheel clean

help: ## Say what there is to make
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s  %s\n", $$1, $$2 }' Makefile

serve: .venv/.ready-runtime ## Run prefsvc here; its data in .data (or PREFSVC_DATA_DIR), a database of its own
	@PREFSVC_DATA_DIR="$${PREFSVC_DATA_DIR:-$$PWD/.data}" exec $(PY) -m prefsvc serve

# All of it on every core, each with a server of its own; a few by themselves, which begins sooner.
test: .venv/.ready-all ## Run every test (PYTEST_ARGS="-k one_click" narrows it)
	$(PY) -m pytest $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-n auto --maxprocesses 8 --dist worksteal)

lint: .venv/.ready-all ## Check style, types, the direction of imports, and the SQL
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(BIN)/lint-imports
	$(PY) sql/lint.py
	$(BIN)/squawk sql/migrations/*.sql

bench: .venv/.ready-all ## Measure opt-outs, checks and feeds per second (BENCH_ARGS)
	$(PY) -m tests.bench $(BENCH_ARGS)

drills: .venv/.ready-all ## Break all that can break, under load, and count what was lost (DRILLS_ARGS)
	$(PY) -m tests.drills $(DRILLS_ARGS)

intent-report: .venv/.ready-all ## Say how texts are read as stop, ask or none, and which are misread
	$(PY) -m tests.unit.intent.report

mail-report: .venv/.ready-all ## Say how mails are read as opt-outs, complaints, bounces or none
	$(PY) -m tests.unit.mail.report

mail-fuzz: .venv/.ready-fuzz ## Read mails that nobody would write for FUZZ_SECONDS, and keep what goes wrong
	$(PY) -m tests.unit.mail.fuzz $(FUZZ_SECONDS)

format: .venv/.ready-all ## Lay out the code as `make lint` wants it
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

queries: .venv/.ready-all ## Write prefsvc/db/queries.py anew from sql/
	$(PY) -m tests.support.scratch_database -- $(PY) sql/generate.py {dsn} --write
	$(PY) -m tests.support.scratch_database -- $(PY) sql/schema.py {dsn} --write

tables: .venv/.ready-runtime ## Write the table of settings in docs/operating.md anew
	$(PY) -m prefsvc.cli.operating_tables docs/operating.md

lock: .venv/.ready-runtime ## Bring uv.lock up to pyproject.toml (LOCK_ARGS=--upgrade: newer versions, too)
	$(PY) -m uv lock $(LOCK_ARGS)

wheel: .venv/.ready-runtime ## Build dist/prefsvc-*.whl
	$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## Remove all that was made here, except .data
	rm -rf .venv dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find prefsvc sql tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The mark that .venv is what uv.lock says; a second start finds it and is instant.
.venv/.ready-%: uv.lock pyproject.toml .ci/bootstrap
	@sh .ci/bootstrap $*
