# Everything a person types. Each target can be run again.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SILENT:

STACK ?= local
RUNTIME ?=
ANTGENT_VERSION ?= 0.3.2
WORKERS ?= 2
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SANDBOX := python -m sandbox

.PHONY: help setup up down purge status doctor logs url env check test test-unit bench bench-runtimes demo pins

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv from the hashed pins (every other target does it by itself)
	sh sandbox/setup.sh

up: setup ## Start the sandbox, build and push antgent, deploy it, print its URL (STACK=staging, RUNTIME=kubernetes)
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

test: setup ## Run every test, with branch coverage; what failed beside others is tried once more by itself
	python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --durations=25 --cov --cov-report=term || { \
		code=$$?; [ $$code -eq 1 ] || exit $$code; \
		echo "· trying once more, by themselves: the tests that failed beside others on $(WORKERS) workers"; \
		python -m pytest --last-failed --last-failed-no-failures none --maxfail 3; }

test-unit: setup ## Run the tests that need no server
	python -m pytest tests/unit

demo: setup ## Tell the whole story on this machine: release, verify, promote, refuse, roll back
	python -m demo

bench: setup ## Measure releases on Kubernetes: table and plot in bench/out
	python -m bench

bench-runtimes: setup ## Measure one release on Docker, Kubernetes and ECS: seconds until it answers
	python -m bench.runtimes

pins: setup ## Refresh requirements.txt from pyproject.toml
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade -o requirements.txt

.PHONY: ci ci-setup ci-gate check-stacks lint-workflows policy image coverage-summary diagrams

ci: check check-stacks lint-workflows test ## All that CI's gate asks for, on this machine

ci-setup: setup ## Put pulumi and this project's commands on the PATH of a workflow's later steps
	python -m pipelines engine

ci-gate: ## The merge gate: every job in NEEDS has passed
	python3 -m pipelines.gate

check-stacks: setup ## Check every stack file, without an engine
	python -m settings --check

lint-workflows: setup ## actionlint and zizmor over .github
	python -m pipelines.workflow_lint

policy: setup ## Judge what `up` would make of STACK by the rules of policies/
	pulumi preview --json --show-sames --stack $(STACK) | python -m policies

image: ## Build antgent's image, push nothing
	docker build --build-arg ANTGENT_VERSION=$(ANTGENT_VERSION) --tag antgent:$(ANTGENT_VERSION) image

coverage-summary: setup ## Add the coverage of the last `make test` to a workflow's summary
	python -m coverage report --format=markdown >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

diagrams: setup ## Draw the pictures of docs/architecture.md from the code
	python -m pipelines.diagrams docs/architecture.md
