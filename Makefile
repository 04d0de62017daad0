# Everything starts here; `make help` lists the targets. Each one does all the set-up it needs and may be repeated.
.DEFAULT_GOAL := help
.PHONY: help setup try down test test-fast bench lint sanity build clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## install what is needed: Debian packages (as root or with sudo) and Python packages in .venv
	@tools/setup

try: setup ## the main job: three real guests on one read-only root disk, in the lab on this machine
	@tools/try

down: ## stop the lab of `make try` and free its disks
	@tools/down

test: setup ## all tests, those on real guests included
	@tools/test

test-fast: setup ## all tests but those that boot guests
	@tools/test -m "not guests"

bench: setup ## measure how fast things are; the figures are in bench/results.json, too
	@failed=0; for script in bench/*.py; do .venv/bin/python $$script || failed=1; done; exit $$failed

lint: setup ## ruff, mypy, shellcheck
	@tools/lint

sanity: setup ## ansible-test sanity on what git knows
	@tools/sanity

build: setup ## the collection as a tarball in dist/
	@.venv/bin/ansible-galaxy collection build --force --output-path dist

clean: ## remove what tests and builds left (neither .venv nor .lab)
	@rm -rf dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/output
