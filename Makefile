# Everything a person runs here. Each target does its own set-up: python3.11 with venv, make, gcc and git are enough.
PYTHON  ?= python3.11
VENV    ?= .venv
BIN     := $(VENV)/bin
UV      := $(BIN)/uv
UV_PIN  := 0.13.9
TORCH   := 2.13.0
MEMBERS := shared services/preference services/recommender services/events batch/drinkability batch/tonight deploy
COMMA   := ,
EMPTY   :=
SPACE   := $(EMPTY) $(EMPTY)

# Which torch: GPU=1 the registry's CUDA build; else a local +cpu wheel in PIP_FIND_LINKS; else PyTorch's CPU index.
LOCAL_TORCH := $(wildcard $(addsuffix /torch-$(TORCH)+cpu-*.whl,$(patsubst file://%,%,$(PIP_FIND_LINKS))))
ifeq ($(GPU),1)
else ifneq ($(LOCAL_TORCH),)
export UV_FIND_LINKS := $(subst $(SPACE),$(COMMA),$(strip $(PIP_FIND_LINKS)))
else
export UV_TORCH_BACKEND ?= cpu
endif

ALL := -e './shared[azure,data,otlp,redis,service]' -e './services/preference[training]' -e './services/recommender[training]' -e ./services/events \
  -e './batch/drinkability[charts,daft,training]' -e ./batch/tonight -e './deploy[demo]' --group dev

# Threads of torch and LightGBM wait asleep rather than spinning: on a busy machine spinning costs several times the work.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help env demo api test fuzz check lock lock-check

help:  ## what there is to run
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

env: $(VENV)/.stamp  ## the environment in .venv, from the lock
$(UV):
	@$(PYTHON) -m venv --clear $(VENV) || { echo "python3.11 with its venv module is needed: apt-get install python3.11-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_PIN)
$(VENV)/.stamp: constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS)) | $(UV)
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python -c constraints.txt $(ALL)
	@touch $@

demo: env  ## the whole line, from ratings to an answered request (DATA=folder for real ratings, ONCE=1 to stop after it)
	@$(BIN)/cellar demo $(if $(DATA),--data '$(DATA)') $(if $(ONCE),--once)

api: env  ## docs/api and the typed clients, written from the code
	$(BIN)/cellar api write --out docs/api --clients shared/cellar_shared/client

# Two halves at a time: one alone leaves a second core idle, as much of it waits for services that it starts. 5: none was selected.
in_two_halves = log=$$(mktemp); $(BIN)/pytest -q $(PYTEST_ARGS) $(2) > $$log 2>&1 & second=$$!; \
	trap "kill $$second 2> /dev/null; rm -f $$log" EXIT; \
	$(BIN)/pytest -q $(PYTEST_ARGS) $(1); first=$$?; wait $$second; second_ended=$$?; cat $$log; \
	{ test $$first -eq 0 || test $$first -eq 5; } && { test $$second_ended -eq 0 || test $$second_ended -eq 5; }

FIRST_TESTS  := $(addprefix tests/,architecture browser contracts deploy drinkability endtoend events)
SECOND_TESTS := $(addprefix tests/,preference recommender shared tonight)

test: check  ## check, then the tests
	@$(call in_two_halves,$(FIRST_TESTS),$(SECOND_TESTS))

LAWS := $(addprefix tests/,preference/serving/test_laws.py recommender/serving/test_service_laws.py shared/ageing/test_laws.py)

fuzz: env  ## CASES (20,000) generated requests to each service, steps in lives of a store, bottles; takes about an hour
	@export CELLAR_FUZZ_CASES=$(or $(CASES),20000); $(call in_two_halves,tests/contracts,$(LAWS))

check: env lock-check  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

COMPILE = env -u UV_FIND_LINKS -u UV_TORCH_BACKEND $(UV) pip compile --quiet --universal --python-version 3.11 \
  --all-extras --group pyproject.toml:dev pyproject.toml \
  $(addsuffix /pyproject.toml,$(MEMBERS)) $(addprefix --no-emit-package ,cellar-shared cellar-preference cellar-recommender cellar-drinkability) --no-header --no-annotate
lock: $(UV)  ## write constraints.txt (keeps present pins; UP=--upgrade moves them)
	$(COMPILE) $(UP) -o constraints.txt > /dev/null
lock-check: $(UV)  ## does constraints.txt still hold everything the projects name?
	@t=$$(mktemp) && cp constraints.txt $$t && $(COMPILE) -o $$t > /dev/null && diff -u constraints.txt $$t; r=$$?; rm -f $$t; exit $$r
