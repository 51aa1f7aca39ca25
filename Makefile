# The commands of this project. `make` alone lists them. Works with GNU make from 3.81 on, which
# is macOS's. Paths are relative, so that the checkout may lie in a folder with spaces in its name.

BOOTSTRAP = python3 local/bootstrap.py
PYTHON = .venv/bin/python
RASA = $(PYTHON) -m local.quietly rasa

export RASA_TELEMETRY_ENABLED = false
export TF_CPP_MIN_LOG_LEVEL = 3
export CUDA_VISIBLE_DEVICES = -1
export SQLALCHEMY_SILENCE_UBER_WARNING = 1

.PHONY: help run shell services train test test-fast test-rasa soak check eval bench doctor import-number dead-letters lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: ## install and train what is missing, run everything until Ctrl-C
	@$(BOOTSTRAP) auto
	@$(PYTHON) -m local.training
	@exec $(PYTHON) -m local.launcher run

shell: ## talk to the assistant here in the terminal (rasa shell)
	@$(BOOTSTRAP) auto
	@$(PYTHON) -m local.training
	@exec $(PYTHON) -m local.launcher shell

services: ## only the embedded parts, for plain `rasa run` and `rasa run actions`
	@$(BOOTSTRAP) auto
	@exec $(PYTHON) -m local.launcher services

train: ## train the model now
	@$(BOOTSTRAP) auto
	@$(RASA) train

test: test-rasa ## install what is missing, run all tests
	@$(PYTHON) -m pytest

test-fast: ## the unit tests only
	@$(BOOTSTRAP) runtime embedded dev
	@$(PYTHON) -m pytest tests/unit

soak: ## storms of kills and errors for MINUTES=30, with SEED=... as in another run
	@$(BOOTSTRAP) runtime embedded dev
	@SEED=$(SEED) MINUTES=$(MINUTES) $(PYTHON) -W ignore -m tests.e2e.soak

test-rasa: ## Rasa's own checks: rasa data validate, rasa test
	@$(BOOTSTRAP) runtime embedded dev
	@$(PYTHON) -m local.training
	@$(RASA) data validate --fail-on-warnings
	@$(RASA) test --no-plot --fail-on-prediction-errors

check: ## lint, format and types
	@$(BOOTSTRAP) runtime embedded dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

eval: ## conversation cases against the model; ONLY=tag, TIMES=3, AT_LEAST=80
	@$(BOOTSTRAP) auto
	@$(PYTHON) -m evaluation --only '$(ONLY)' --times $(or $(TIMES),1) --at-least $(or $(AT_LEAST),0)

bench: ## the comparison with stock Rasa, a quarter of an hour; QUICK=1 takes two minutes
	@$(BOOTSTRAP) runtime embedded dev
	@$(PYTHON) -m local.training
	@$(PYTHON) -m bench $(if $(QUICK),--quick)

doctor: ## is everything in reach that an answer needs, Twilio too? JSON=1 for programs
	@$(BOOTSTRAP) auto $(if $(JSON),1>&2)
	@$(PYTHON) -m local.doctor $(if $(JSON),--json)

import-number: ## let texts to NUMBER=+1... come here; ASSISTANT=name answers; UNDO=1, YES=1
	@$(BOOTSTRAP) auto
	@$(PYTHON) -m local.import_number "$(NUMBER)" $(if $(ASSISTANT),--assistant "$(ASSISTANT)") \
		$(if $(YES),--yes) $(if $(UNDO),--undo)

dead-letters: ## what could not be answered; RETRY=all or RETRY=2 tries again
	@$(BOOTSTRAP) auto
	@$(PYTHON) -m local.dead_letters $(RETRY)

lock: ## choose the versions of all dependencies anew, write requirements/
	@python3 -m local.lock

clean: ## take away what was installed and trained; conversations in var/ stay
	@rm -rf .venv .rasa models results var/uv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
