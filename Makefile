# Everything that a contributor or user runs. `make` alone lists it.
# uv comes from PyPI into .uv, with any python3; Python 3.13 is the machine's own, or uv fetches it.

UV := .uv/bin/uv
PYTHON := .venv/bin/python
SAM := PATH="$(CURDIR)/.tools/sam/bin:$$PATH" sam
STACK_NAME ?= facepair
ENV ?= default
VERSION = $(shell $(PYTHON) -c 'from facepair import __version__; print(__version__)')
export SAM_CLI_TELEMETRY := 0
# Without cached bytecode, each of some hundred processes of a test run would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE
# `make sandbox FACES=1`, `make demo FACES=1`: with an emulator that recognises faces.
FACES ?= 0
# pytest's processes. Many tests wait, so three more than there are cores.
WORKERS ?= $(shell expr 3 + $$(getconf _NPROCESSORS_ONLN))
TESTED_WITH := .lambda/installed .tools/aws/installed .tools/ministack/installed .tools/faces/installed
FACES_INSTALLED := $(if $(filter-out 0,$(FACES)),.tools/faces/installed)
VERBOSELY := $(if $(VERBOSE),--verbose)
WITH_FACES := $(if $(filter-out 0,$(FACES)),--faces)

ifneq ($(filter package release,$(MAKECMDGOALS)),)
ifndef BUCKET
$(error The code needs a bucket of yours: make $(MAKECMDGOALS) BUCKET=my-artefacts)
endif
endif

ifneq ($(filter previous,$(MAKECMDGOALS)),)
ifndef COMMIT
$(error Name the commit of the previous release: make previous COMMIT=v0.2.0)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help demo sandbox console unit check test lint types style template lowest browser rehearse bench explore soak damage deploy delete package previous release dashboard pins format reference clean
.DELETE_ON_ERROR:

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed .lambda/installed $(FACES_INSTALLED) ## Watch real uploads become verdicts, on this machine, in a minute
	@$(PYTHON) -m sandbox.demo $(WITH_FACES) $(VERBOSELY)

sandbox: .venv/installed .lambda/installed $(FACES_INSTALLED) ## Run the local cloud until Ctrl-C: make sandbox WEBHOOK=http://127.0.0.1:8000/ PARAMETERS="PassAbove=80 RejectBelow=60"
	@$(PYTHON) -m sandbox $(WITH_FACES) $(VERBOSELY) $(if $(WEBHOOK),--parameter 'WebhookUrl=$(WEBHOOK)') $(foreach each,$(PARAMETERS),--parameter '$(each)')

console: .venv/installed ## Install the command `facepair` into .venv/bin

unit: .venv/installed ## Run the unit tests: seconds
	$(PYTHON) -m pytest tests/unit -q

check: lint .lambda/installed ## Run what belongs before every commit: static checks, unit, stack and docs tests, one end-to-end pass
	$(PYTHON) -m pytest -q -n 2 tests/unit tests/stack tests/docs tests/e2e/test_verdicts.py

test: ## Run every check
	@$(MAKE) --no-print-directory --jobs=2 types style template lowest browser .venv/collected $(TESTED_WITH)
	$(PYTHON) -m pytest -n $(WORKERS) --no-loadscope-reorder $(if $(TIMES),-p tests.support.seconds)

lint: types style template ## Run the static checks alone: types, style, template

types: .venv/installed ## Check the types
	.venv/bin/mypy

style: .venv/installed ## Check the code's style, and the words of documents
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	$(PYTHON) -m tests.docs.words

template: .tools/sam/installed .tools/checkov/installed ## Check template.yaml: what SAM, cfn-lint and checkov say
	$(SAM) validate --lint --region us-east-1
	.tools/checkov/bin/checkov --config-file .checkov.yaml

lowest: .tools/lowest/installed .tools/core/installed .venv/installed ## Install the command line as users do, with the lowest versions allowed: with all extras, and without any
	@.venv/bin/hatchling build -t wheel -d .tools/lowest/wheel > /dev/null
	@for tool in lowest core; do $(UV) pip install --quiet --python .tools/$$tool --no-deps --reinstall .tools/lowest/wheel/*.whl || exit 1; done

browser: .venv/installed ## Find the browser in which the tests look at pages, or install one
	@$(PYTHON) -m tests.support.browser

rehearse: .venv/installed .tools/sam/installed .tools/ministack/installed ## Deploy the built artefact into an emulator that enforces IAM, and try everything there
	$(PYTHON) -m pytest tests/rehearsal

bench: .venv/installed .lambda/installed .tools/faces/installed ## Measure, as ratios
	@$(PYTHON) -m benchmarks
	@.tools/faces/bin/python -m benchmarks.fitted_faces

soak: .venv/installed .lambda/installed ## Send hundreds of pairs through random faults, then a burst: make soak PAIRS=200 BURST=1000 SEED=1
	@$(PYTHON) -m tests.soak $(if $(PAIRS),--pairs $(PAIRS)) $(if $(BURST),--burst $(BURST)) $(if $(SEED),--seed $(SEED))

damage: .venv/installed ## Damage thousands of pictures, and count what is sent: make damage COPIES=2000 SEED=1
	@PYTHONPATH=.:layers/facepair $(PYTHON) -m tests.pictures.damage $(if $(COPIES),--copies $(COPIES)) $(if $(SEED),--seed $(SEED)) 2>/dev/null

deploy: .tools/sam/installed ## Build and deploy to the AWS account of your shell: make deploy ENV=staging (samconfig.toml)
	$(SAM) build --config-env $(ENV)
	$(SAM) deploy --config-env $(ENV) $(if $(CI),--no-confirm-changeset)

delete: .venv/installed ## Delete a stack, except for its ledger, after a question: make delete STACK_NAME=facepair [YES=1]
	@$(PYTHON) -m deploy.delete --stack $(STACK_NAME) $(if $(YES),--yes)

package: .tools/sam/installed .venv/installed ## Write dist/packaged.yaml, with its code in a bucket, for other tools: make package BUCKET=my-artefacts
	$(SAM) build --config-env $(ENV)
	@mkdir -p dist
	$(SAM) package --config-env $(ENV) --s3-bucket $(BUCKET) --s3-prefix facepair/$(VERSION) --output-template-file dist/packaged.yaml
	@$(PYTHON) -m deploy.release template

previous: .venv/installed ## Take the previous release, which the upgrade test updates, from its commit: make previous COMMIT=v0.2.0
	@$(PYTHON) -m deploy.previous_release $(COMMIT)

# The upgrade test first updates a stack of the previous release, with data and messages in flight.
release: .venv/installed .lambda/installed ## Build what is published in dist/, after the upgrade test: make release BUCKET=my-artefacts
	@$(PYTHON) -m deploy.release check
	$(PYTHON) -m pytest -q tests/e2e/test_an_update_of_the_release.py
	rm -rf dist
	$(MAKE) --no-print-directory package BUCKET=$(BUCKET)
	.venv/bin/hatchling build -t wheel -d dist
	@$(PYTHON) -m deploy.release files

dashboard: .venv/installed ## Put deploy/dashboard/dashboard.json into template.yaml
	@$(PYTHON) -m deploy.dashboard

format: .venv/installed ## Format the code
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

reference: .venv/installed ## Renew the generated parts of docs/reference from the code
	@$(PYTHON) -m docs.generate

explore: .venv/installed ## Explore schedules of the core, and all mutants: make explore SECONDS=600 [SEED=1] [REPLAY=...]
	@$(PYTHON) -m tests.explore --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay "$(REPLAY)")

clean: ## Remove everything that was installed or built here
	rm -rf dist .venv .uv .lambda .tools .sandbox .aws-sam .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# --- pinned environments ---------------------------------------------------------------------------------------------

# Say what is installed: with nothing on the screen for ten seconds, a first run looks like a hang.
installing = @echo "Installing $(1) ($$(cat $(2) | grep -c '^[a-z].*==') packages, the first time only) …" >&2

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --upgrade
DEPENDENCIES := layers/dependencies/requirements.txt

pins: .uv/installed ## Renew every pinned version, with hashes
	$(COMPILE) --group lambda -o $(DEPENDENCIES)
	$(COMPILE) --group runtime -c $(DEPENDENCIES) -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra all --group dev -c $(DEPENDENCIES) -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra all --resolution lowest-direct -o requirements/lowest.txt
	$(COMPILE) pyproject.toml -c requirements/lowest.txt -o requirements/core.txt
	for tool in uv sam checkov aws ministack; do $(COMPILE) --group $$tool -o requirements/$$tool.txt || exit 1; done
	$(COMPILE) --group faces -c requirements/dev.txt -o requirements/faces.txt

.uv/installed: requirements/uv.txt
	$(call installing,the installer uv,$<)
	@python3 -m venv --clear .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/packages: requirements/dev.txt .uv/installed
	$(call installing,the command line and the sandbox,$<)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes $<
	@touch $@

# facepair itself, editable: a change of the code needs no new installation.
.venv/installed: pyproject.toml layers/facepair/facepair/__init__.py .venv/packages
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

# Python compiles what is imported first: here once, not in each of pytest's processes. Errors are left to the tests.
.venv/collected: .venv/installed
	@$(PYTHON) -m pytest --collect-only -q > /dev/null || true
	@touch $@

# What the functions run in: Lambda's own runtime client, and exactly the packages of the layer.
.lambda/installed: $(DEPENDENCIES) requirements/runtime.txt .uv/installed
	$(call installing,what the functions run in,$(DEPENDENCIES) requirements/runtime.txt)
	@$(UV) venv --quiet --allow-existing --python 3.13 .lambda
	@$(UV) pip sync --quiet --compile-bytecode --python .lambda --require-hashes $(DEPENDENCIES) requirements/runtime.txt
	@touch $@

# Tools that pin their own dependencies live apart. Seeded with pip, with which `sam build` fills the layers.
.tools/%/installed: requirements/%.txt .uv/installed
	$(call installing,$*,$<)
	@$(UV) venv --quiet --clear --seed --python 3.13 .tools/$*
	@$(UV) pip install --quiet --python .tools/$* --require-hashes --requirement $<
	@touch $@

# The emulator that recognises faces. Two of the models are not used, and one of them (68 landmarks) is not free: they are
# deleted. The package of models is built here from pinned sources, without compressing it. The emulator and the benchmarks
# import our own code.
.tools/faces/installed: requirements/faces.txt .uv/installed
	$(call installing,what recognises faces: 130 MB,$<)
	@$(UV) venv --quiet --clear --python 3.13 .tools/faces
	@$(UV) pip install --quiet --python .tools/faces --require-hashes --requirement $< --build-constraints $< \
		--config-settings-package face-recognition-models:--build-option=--compression=stored
	@cd .tools/faces/lib/python*/site-packages/face_recognition_models/models && rm shape_predictor_68_* mmod_*
	@printf '%s\n' "$(CURDIR)" "$(CURDIR)/layers/facepair" > "$$(echo .tools/faces/lib/python*/site-packages)/facepair.pth"
	@touch $@
