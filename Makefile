# Everything that a contributor or user runs. `make` alone lists it.
# uv comes from PyPI into .uv, with any python3; Python 3.13 is the machine's own, or uv fetches it.

UV := .uv/bin/uv
PYTHON := .venv/bin/python
SAM := PATH="$(CURDIR)/.tools/sam/bin:$$PATH" sam
STACK_NAME ?= facepair
ENV ?= default
export SAM_CLI_TELEMETRY := 0
# `make sandbox FACES=1`, `make demo FACES=1`: with an emulator that recognises faces.
FACES ?= 0
FACES_INSTALLED := $(if $(filter-out 0,$(FACES)),.tools/faces/installed)
WITH_FACES := $(if $(filter-out 0,$(FACES)),--faces)

.DEFAULT_GOAL := help
.PHONY: help demo sandbox console test unit lint browser rehearse bench soak deploy delete dashboard pins format schema reference clean
.DELETE_ON_ERROR:

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed .lambda/installed $(FACES_INSTALLED) ## Watch real uploads become verdicts, on this machine, in a minute
	@PYTHONPATH=layers/facepair $(PYTHON) -m sandbox.demo $(WITH_FACES)

sandbox: .venv/installed .lambda/installed $(FACES_INSTALLED) ## The same cloud, kept up, for the AWS command line
	@$(PYTHON) -m sandbox $(WITH_FACES)

console: .venv/console ## Install the command `facepair` into .venv/bin

test: lint browser .venv/console .lambda/installed .tools/aws/installed .tools/ministack/installed .tools/faces/installed ## Run every check
	$(PYTHON) -m pytest -n 2 --dist loadfile --cov

unit: .venv/installed ## Run the fast tests alone: seconds, no sandbox
	$(PYTHON) -m pytest tests/unit -q

lint: .venv/installed .tools/sam/installed .tools/checkov/installed ## Run the static checks alone
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/cfn-lint template.yaml
	$(SAM) validate --lint --region us-east-1
	.tools/checkov/bin/checkov --config-file .checkov.yaml

browser: .venv/installed ## Find the browser in which the tests look at pages, or install one
	@$(PYTHON) -m tests.support.browser

rehearse: .venv/console .tools/sam/installed .tools/ministack/installed ## Deploy into a second AWS, which enforces the roles, and try everything there
	$(PYTHON) -m pytest tests/rehearsal

bench: .venv/installed .lambda/installed .tools/faces/installed ## Measure, as ratios
	@PYTHONPATH=layers/facepair $(PYTHON) -m benchmarks
	@PYTHONPATH=layers/facepair .tools/faces/bin/python -m benchmarks.fitted_faces

soak: .venv/installed .lambda/installed ## Hundreds of pairs through a storm of faults, then a burst: make soak PAIRS=200 BURST=1000 SEED=1
	@PYTHONPATH=layers/facepair $(PYTHON) -m tests.soak $(if $(PAIRS),--pairs $(PAIRS)) $(if $(BURST),--burst $(BURST)) $(if $(SEED),--seed $(SEED))

deploy: .tools/sam/installed ## Build and deploy to the AWS account of your shell: make deploy ENV=staging (samconfig.toml)
	$(SAM) build --config-env $(ENV)
	$(SAM) deploy --config-env $(ENV) $(if $(CI),--no-confirm-changeset)

delete: .venv/installed ## Remove a stack, but for its ledger, after a question: make delete STACK_NAME=facepair
	@$(PYTHON) -m console.delete --stack $(STACK_NAME)

dashboard: .venv/installed ## Put console/dashboard/dashboard.json into template.yaml
	@$(PYTHON) -m console.dashboard

format: .venv/installed ## Format the code
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

schema: .venv/installed ## Renew docs/events.schema.json from the code
	@PYTHONPATH=layers/facepair $(PYTHON) -c 'import json; from facepair.domain import change; print(json.dumps(change.schema(), indent=2))' > docs/events.schema.json

reference: .venv/installed ## Renew docs/commands.md from the code
	@PYTHONPATH=layers/facepair $(PYTHON) -m console.reference > docs/commands.md

clean: ## Remove everything that was installed or built here
	rm -rf .venv .uv .lambda .tools .sandbox .aws-sam .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# --- pinned environments ---------------------------------------------------------------------------------------------

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --upgrade
DEPENDENCIES := layers/dependencies/requirements.txt

pins: .uv/installed ## Renew every pinned version, with hashes
	$(COMPILE) --group lambda -o $(DEPENDENCIES)
	$(COMPILE) --group runtime -c $(DEPENDENCIES) -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -c $(DEPENDENCIES) -o requirements/dev.txt
	for tool in uv sam checkov aws ministack; do $(COMPILE) --group $$tool -o requirements/$$tool.txt || exit 1; done
	$(COMPILE) --group faces -c requirements/dev.txt -o requirements/faces.txt

.uv/installed: requirements/uv.txt
	python3 -m venv --clear .uv
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

.venv/installed: requirements/dev.txt .uv/installed
	$(UV) venv --quiet --clear --python 3.13 .venv
	$(UV) pip install --quiet --compile-bytecode --python .venv --require-hashes --requirement requirements/dev.txt
	@touch $@

# The command line as it is here, so that a change of it needs no new installation.
.venv/console: pyproject.toml .venv/installed
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

# What the functions run in: Lambda's own runtime client, and exactly the packages of the layer.
.lambda/installed: $(DEPENDENCIES) requirements/runtime.txt .uv/installed
	$(UV) venv --quiet --clear --python 3.13 .lambda
	$(UV) pip install --quiet --compile-bytecode --python .lambda --require-hashes --requirement $(DEPENDENCIES) --requirement requirements/runtime.txt
	@touch $@

# Tools that pin their own dependencies live apart. Seeded with pip, with which `sam build` fills the layers.
.tools/%/installed: requirements/%.txt .uv/installed
	$(UV) venv --quiet --clear --seed --python 3.13 .tools/$*
	$(UV) pip install --quiet --python .tools/$* --require-hashes --requirement requirements/$*.txt
	@touch $@

# What recognises faces; the models' package is built here, by what is pinned too. Two of its models are not used, and one
# of them (68 landmarks) is not free: they do not stay.
.tools/faces/installed: requirements/faces.txt .uv/installed
	$(UV) venv --quiet --clear --python 3.13 .tools/faces
	$(UV) pip install --quiet --compile-bytecode --python .tools/faces --require-hashes --requirement $< --build-constraints $<
	cd .tools/faces/lib/python*/site-packages/face_recognition_models/models && rm shape_predictor_68_* mmod_*
	@touch $@
