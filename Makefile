# Everything a person types. Each target can be run again.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SILENT:

STACK ?= local
RUNTIME ?=
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SANDBOX := python -m sandbox

.PHONY: help setup up down purge status doctor logs url env check test test-unit bench pins

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv from the hashed pins (every other target does it by itself)
	sh sandbox/setup.sh

up: setup ## Start the sandbox, build and push antgent, deploy it, print its URL (RUNTIME=kubernetes)
	$(SANDBOX) up --stack $(STACK) $(if $(RUNTIME),--runtime $(RUNTIME))

down: setup ## Stop everything the sandbox started; state stays
	$(SANDBOX) down

purge: setup ## Stop everything and remove the sandbox's state
	$(SANDBOX) down --purge

status: setup ## Show each part of the sandbox: version, address, pid, health
	$(SANDBOX) status

doctor: setup ## Say what this machine has, lacks, and how to mend it
	$(SANDBOX) doctor

logs: setup ## Follow the server's and the worker's logs
	$(SANDBOX) logs --stack $(STACK)

url: setup ## Print where antgent answers
	$(SANDBOX) url --stack $(STACK)

env: setup ## Print shell exports: eval "$$(make -s env)", then plain pulumi and docker work
	$(SANDBOX) env

check: setup ## Lint, format check and types
	ruff check .
	ruff format --check .
	ty check

test: setup ## Run every test, with branch coverage
	python -m pytest --cov --cov-report=term

test-unit: setup ## Run the tests that need no server
	python -m pytest tests/unit

bench: setup ## Measure releases on Kubernetes: table and plot in bench/out
	python -m bench

pins: setup ## Refresh requirements.txt from pyproject.toml
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade -o requirements.txt
