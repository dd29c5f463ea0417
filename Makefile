# `make check` is what CI runs; the others are its parts, for use while working.

PYTHON = .venv/bin/python

.PHONY: check test lint format types limits clean

check:
	.ci/run

test: .venv
	$(PYTHON) -m pytest -n auto

lint: .venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: .venv
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: .venv
	.venv/bin/mypy --strict

limits: .venv  # after a change in iii_actors/limits/
	$(PYTHON) -m iii_actors.limits > docs/limits.rst

clean:
	rm -rf .venv .venv-newest build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv: setup.cfg pyproject.toml
	python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'
	touch .venv
