# Everything is made in .venv/ and build/, and for Java in the user's cache folder.
# Paths are relative, so that the checkout may stand in a folder with spaces.
#   PYTHON=3.12          the Python that makes .venv, or that a wheelhouse is for
#   PLATFORM=win_amd64   the machines that a wheelhouse is for
#   ARGS="-k units"      further arguments for pytest

BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help env java browser office servers demo test check bench bench-server bench-rules server wheelhouse docs lock clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14

env: .venv/complete ## make the environment in .venv from requirements.lock

.venv/complete: requirements.lock pyproject.toml scripts/make_environment.sh
	@sh scripts/make_environment.sh $(PYTHON)

demo: env ## run the main job on embedded data; ends with Table 1
	@$(BIN)/imnm-fhir demo build/demo

java: # a JDK and Maven, or the command that installs them
	@sh scripts/need_java.sh

servers: env java # the FHIR server and the HL7 validator
	@$(BIN)/python -m servers.build

browser: # Chromium and axe-core, or the command that installs them
	@sh scripts/need_chromium.sh

office: # LibreOffice, or the command that installs it
	@sh scripts/need_libreoffice.sh

test: servers browser office ## run every test, the real FHIR server and the HL7 validator included
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: env ## lint, format, types, contents of the wheel
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/build_wheel.py build/wheel
	$(BIN)/check-wheel-contents build/wheel

bench: env ## measure speed and memory; prints one table
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-server: env java # exports, imports and other clients on HAPI; ARGS="--resources 10000 --rounds 3"
	$(BIN)/python -m benchmarks.at_server $(ARGS)

bench-rules: env # the rules of a million rows; ARGS="--rows 5000000"
	$(BIN)/python -m benchmarks.validation_rules $(ARGS)

server: env java ## serve FHIR R4 on a free local port until Ctrl-C
	@$(BIN)/python -m servers.fhir_server

wheelhouse: env ## collect all wheels for a machine without a network
	@$(BIN)/python -m scripts.wheelhouse --platform "$(PLATFORM)" --python "$(PYTHON)"

docs: env ## build the documentation into build/docs
	$(BIN)/python docs/make_reference.py
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

lock: ## make requirements.lock again; ARGS=--upgrade renews all versions
	@sh scripts/lock.sh $(ARGS)

clean: ## remove what was made here
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
