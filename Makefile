# Each target makes its own environment first; there is nothing else to know.
#   make lab   PYTHON=python3.12   COURSE_HOME=~/somewhere
#   make test  LAB=phase1_foundations/lab2_nn_module

# Any Python will do for the first step: it looks for a supported one itself.
python := $(or $(PYTHON),$(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(shell command -v $(name)))))
set-up = $(or $(python),$(error This course needs Python 3.11 to 3.13, and there is no python3 on PATH: install it and run the command again)) courseware/bootstrap.py
lab-extras = --with export
test-extras = $(lab-extras) --with test --with tracking
in-environment = .venv/bin/python -m

# A lab's own share of the tests, or everything; nbval executes the theory notebooks.
tests = $(if $(LAB),tests/labs --lab=$(LAB) $(wildcard $(LAB)/theory.ipynb),tests $(wildcard phase*/*/theory.ipynb))
# Three workers keep two cores busy: processes, browsers and time limits are waited for.
pytest = $(in-environment) pytest -n 3 --nbval-lax --nbval-current-env $(tests)

# One claim a module or package; a name that begins with an underscore is shared between them.
claims = $(basename $(notdir $(wildcard benchmarks/[a-z]*.py) $(patsubst %/__main__.py,%,$(wildcard benchmarks/*/__main__.py))))

.PHONY: help lab setup test test-long build bench lint lock clean

help:
	@echo "make lab        open the course in JupyterLab"
	@echo "make setup      only make the Python environment in .venv; WITH=test adds an extra"
	@echo "make test       test everything; LAB=phase1_foundations/lab1_tensors tests one lab"
	@echo "make test-long  the same with many more seeds"
	@echo "make build      build the notebooks from their sources"
	@echo "make bench      measure what the course claims about speed"
	@echo "make lint       check style and types"
	@echo "make lock       write requirements.lock anew, from the newest versions"
	@echo "make clean      remove the environment and all caches, and never work/"

lab:
	@$(set-up) $(lab-extras)
	@$(in-environment) courseware.cli lab

setup:
	@$(set-up) $(addprefix --with ,$(WITH))
	@echo "The environment in .venv is ready."

test:
	@$(set-up) $(test-extras)
	@$(pytest)

test-long:
	@$(set-up) $(test-extras)
	@$(pytest) --long

build:
	@$(set-up)
	@$(in-environment) courseware.cli build

bench:
	@$(set-up) $(test-extras) --with bench
	@for claim in $(claims); do $(in-environment) benchmarks.$$claim || failed=1; done; exit $${failed:-0}

lint:
	@$(set-up) $(test-extras)
	@$(in-environment) ruff check
	@$(in-environment) ruff format --check
	@$(in-environment) mypy

lock:
	@$(set-up) --lock

clean:
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './work/*' -prune -exec rm -rf {} +
