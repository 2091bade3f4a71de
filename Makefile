# Each target installs what it needs into .venv, from pinned and hashed requirements, and only when they changed.
PYTHON ?= python3
STACK  ?= local
# More arguments for pytest: make test TESTS='--durations=15 tests/unit'
TESTS  ?=
BIN    := .venv/bin
# uv and pip show what they download and install, except in CI.
QUIET  := $(if $(CI),--quiet)
UV     := $(BIN)/uv pip install $(QUIET) --python $(BIN)/python --compile-bytecode
PROJECTS := pyproject.toml infra/pyproject.toml serving/pyproject.toml

export UV_PYTHON_DOWNLOADS := never
# Without byte code, each start of a worker takes ten seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up preview down rehearse status logs test test-unit test-cluster test-node test-node-load test-gpu node node-down trial-images cluster cluster-down check prose docs format golden bench-engine bench-rehearse bench-gateway bench-routing bench-batching check-clients check-stores check-workflows check-manifests check-scanners dist stubs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# A local stack runs the PyTorch engine here; any other one needs the SDKs of its platform.
NEEDED := .venv/$(if $(filter local,$(STACK)),run,clouds).stamp

up: $(NEEDED) ## deploy the local stack (or STACK=name) and wait until it answers
	@$(BIN)/novacron up --stack $(STACK)

preview: $(NEEDED) ## show what `make up` would change
	@$(BIN)/novacron preview --stack $(STACK)

down: .venv/base.stamp ## remove the stack that `make up` deployed
	@$(BIN)/novacron down --stack $(STACK)

rehearse: .venv/clouds.stamp ## deploy STACK=prod to simulated clouds and report resources, price and policy violations
	@$(BIN)/novacron rehearse --stack $(if $(filter local,$(STACK)),prod,$(STACK))

status: .venv/base.stamp ## show the stack's processes, endpoint and health
	@$(BIN)/novacron status --stack $(STACK)

logs: .venv/base.stamp ## show the last lines of every process's log
	@$(BIN)/novacron logs --stack $(STACK)

# Four processes on two cores: some tests mostly wait for the processes that they start. tests/conftest.py orders groups.
test: .venv/dev.stamp ## run all tests
	$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder --ignore=tests/node --ignore=tests/cluster --ignore=tests/manifests --ignore=tests/scanners $(TESTS)

test-cluster: .venv/dev.stamp ## run the tests with a real control plane and simulated nodes (needs go)
	$(BIN)/pytest tests/cluster $(TESTS)

test-node: .venv/dev.stamp ## run the tests with real containers (needs root, go and the programs that `make node` names)
	$(BIN)/pytest tests/node $(TESTS)

test-node-load: .venv/dev.stamp ## send 100,000 requests to the trial stack while its pods are replaced and evicted
	NOVACRON_TEST_REQUESTS=100000 $(BIN)/pytest tests/node/test_trial_under_load.py $(TESTS)

test-unit: .venv/unit.stamp ## run the tests that start no process; needs no PyTorch
	$(BIN)/pytest -n 2 --dist loadgroup tests/unit $(TESTS)

# IMAGE: a GPU worker's image to run in, which then has to have a GPU. GPU_PYTHON: another Python, which has tensorrt_llm.
GPU_PYTHON ?= $(BIN)/python
test-gpu: .venv/base.stamp ## serve a model with TensorRT-LLM on one NVIDIA GPU (IMAGE=… runs it in that image)
	@$(if $(IMAGE),docker run --rm --gpus all --network none --shm-size 8g --volume "$(CURDIR)/tests/gpu:/tests:ro" \
	  --entrypoint python $(IMAGE) /tests/smoke.py --required,PYTHONPATH=serving $(GPU_PYTHON) tests/gpu/smoke.py)

check: .venv/dev.stamp ## check format, lint, layers, types, prose, Dockerfiles and workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.prose
	$(BIN)/hadolint images/*.Dockerfile
	$(BIN)/zizmor --offline --persona=pedantic --quiet .github
	NODE_OPTIONS=--max-old-space-size=8192 $(BIN)/basedpyright  # the cloud SDKs fill Node's default of 4 GB; it then runs slower, with false errors

prose: .venv/dev.stamp ## check the English of docs, comments and messages for banned phrases
	@$(BIN)/python -m tools.prose

node: .venv/base.stamp ## start a Kubernetes node with real containers on this machine (needs root and go)
	@$(BIN)/python -m tools.cluster up

trial-images: .venv/base.stamp ## build the images of STACK=trial without a registry (needs root, buildah and mmdebstrap)
	@$(BIN)/python -m tools.cluster images

node-down: .venv/base.stamp ## stop the node and remove everything that it made
	@$(BIN)/python -m tools.cluster down

# REGION: a region of the stack; the first one without it.
cluster: .venv/base.stamp ## start a Kubernetes control plane with the nodes of STACK=prod, simulated (REGION=…; needs go)
	@$(BIN)/python -m tools.cluster --name simulated up --stack $(if $(filter local,$(STACK)),prod,$(STACK)) $(if $(REGION),--region $(REGION))

cluster-down: .venv/base.stamp ## stop what `make cluster` started
	@$(BIN)/python -m tools.cluster --name simulated down

docs: .venv/docs.stamp ## build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "Open site/index.html, or serve it: python3 -m http.server -d site -b 127.0.0.1 8000"

format: .venv/dev.stamp ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: export NOVACRON_TODAY = 2026-11-30# as in tests/conftest.py
golden: .venv/dev.stamp ## regenerate schemas, reference pages, and the plans and user data of tests/unit/golden
	$(BIN)/python -m novacron_infra.config.schema
	$(BIN)/python -m novacron_infra.outputs > docs/outputs.md
	$(BIN)/python -m tools.site.configuration > docs/reference/configuration.md
	$(BIN)/python -m tools.site.key_changes > docs/reference/changes.md
	$(BIN)/python -m tools.site.command_output
	$(BIN)/python -m novacron_policy.document
	$(BIN)/python -m tools.dashboards
	$(BIN)/python -m tests.unit.aws.golden
	$(BIN)/python -m tests.unit.gcp.golden
	$(BIN)/python -m tests.unit.azure.golden
	$(BIN)/python -m tests.unit.independent
	$(BIN)/python -m tests.unit.resource_names
	$(BIN)/python -m tests.rehearsal.clouds.golden
	for s in dev staging prod; do $(BIN)/novacron plan -s $$s > tests/unit/golden/$$s.txt && \
	  $(BIN)/novacron plan -s $$s --json > tests/unit/golden/$$s.json || exit 1; done

bench-engine: .venv/dev.stamp ## measure preview and up of 50, 500 and 2,000 resources
	$(BIN)/python -m tests.bench.engine

bench-rehearse: .venv/dev.stamp ## measure a rehearsal of prod, with and without the components
	$(BIN)/python -m tests.bench.rehearse

bench-gateway: .venv/dev.stamp .bench/gateways.stamp ## compare the coordinator with litellm, portkey, sglang-router, smg and vllm-router
	$(BIN)/python -m tests.bench.gateway

bench-routing: .venv/dev.stamp ## measure cache hits and load balance of each routing policy, on simulated workers
	$(BIN)/python -m tests.bench.routing

bench-batching: .venv/dev.stamp ## measure tokens per second of the PyTorch engine with 1, 4 and 16 concurrent requests
	$(BIN)/python -m tests.bench.batching

check-clients: .venv/dev.stamp .bench/clients.stamp ## test a stack with OpenAI's JavaScript client, compatcanary and llm-comply (needs npm)
	$(BIN)/pytest tests/serving/test_outside_clients.py

check-stores: .venv/dev.stamp .bench/stores.stamp ## test the model store on servers with the APIs of S3, Azure and Google Cloud (needs npm and go)
	$(BIN)/pytest tests/serving/test_model_store_clouds.py

check-workflows: .bench/actionlint ## check the syntax of the GitHub workflows and their scripts (needs go)
	.bench/actionlint

.bench/actionlint:
	@GOBIN=$(CURDIR)/.bench go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# The checkers are installed once for all checkouts; another version is another stamp.
CHECKERS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/novacron/checkers
KUBECONFORM := v0.8.0
KUBE_SCORE := v1.20.0
CHECKOV := 3.3.30

check-manifests: .venv/dev.stamp $(CHECKERS)/$(KUBECONFORM)-$(KUBE_SCORE)-$(CHECKOV).stamp ## check rendered manifests with kubeconform, kube-score and checkov (needs go)
	$(BIN)/pytest tests/manifests $(TESTS)

$(CHECKERS)/%.stamp:
	@echo "Installing kubeconform, kube-score and checkov into $(CHECKERS) (minutes, the first time) …"
	@mkdir -p $(CHECKERS)/bin
	@GOBIN=$(CHECKERS)/bin go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM)
	@GOBIN=$(CHECKERS)/bin go install github.com/zegl/kube-score/cmd/kube-score@$(KUBE_SCORE)
	@$(BIN)/uv venv --quiet --clear $(CHECKERS)/checkov && $(BIN)/uv pip install --quiet --python $(CHECKERS)/checkov checkov==$(CHECKOV)
	@ln -sf ../checkov/bin/checkov $(CHECKERS)/bin/checkov && touch $@

PARLIAMENT := 1.6.4
SCANNERS := $(CHECKERS)/scanners-$(CHECKOV)-$(PARLIAMENT).stamp

check-scanners: .venv/dev.stamp $(SCANNERS) ## check the planned resources of all stacks with checkov, and their IAM documents with parliament
	$(BIN)/pytest tests/scanners $(TESTS)

$(SCANNERS):
	@echo "Installing checkov and parliament into $(CHECKERS)/scanners (a minute, the first time) …"
	@mkdir -p $(CHECKERS) && $(BIN)/uv venv --quiet --clear $(CHECKERS)/scanners
	@$(BIN)/uv pip install --quiet --python $(CHECKERS)/scanners checkov==$(CHECKOV) parliament==$(PARLIAMENT) 'setuptools<81'
	@touch $@

.bench/gateways.stamp:
	@mkdir -p .bench && cd .bench && ../$(BIN)/uv venv --quiet rust && ../$(BIN)/uv venv --quiet litellm
	@$(BIN)/uv pip install --quiet --python .bench/rust vllm-router sglang-router smg
	@$(BIN)/uv pip install --quiet --python .bench/litellm 'litellm[proxy]'
	@npm install --silent --prefix .bench @portkey-ai/gateway && touch $@

.bench/clients.stamp:
	@npm install --silent --prefix .bench openai compatcanary
	@$(BIN)/uv venv --quiet .bench/clients && $(BIN)/uv pip install --quiet --python .bench/clients llm-comply && touch $@

.bench/stores.stamp:
	@npm install --silent --prefix .bench azurite
	@GOBIN=$(CURDIR)/.bench go install github.com/fsouza/fake-gcs-server@v1.56.1 && touch $@

dist: .venv/base.stamp ## build the wheels of the three distributions into dist/
	@for project in infra serving .; do $(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist $$project || exit 1; done
	@ls dist

stubs: .venv/dev.stamp ## regenerate the Python code of serving's .proto files
	$(BIN)/python -m grpc_tools.protoc -I serving --python_out=serving --pyi_out=serving --grpc_python_out=serving \
	  novacron_serving/protocol/worker.proto

# dev.in is resolved first; the other files get the same versions.
lock: .venv/dev.stamp ## resolve requirements/*.in to the newest versions
	cd requirements && lock="../$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate" && $$lock --upgrade dev.in -o dev.txt && \
	  for f in uv base run clouds unit docs image-build image-coordinator image-worker-cpu image-worker-gpu; do $$lock --upgrade -c dev.txt $$f.in -o $$f.txt || exit 1; done

clean: ## delete the virtual environment and caches; run `make down` first
	@! ls .novacron/.pulumi/stacks/*/*.json >/dev/null 2>&1 || { echo "a stack may still be running: run 'make down', then 'rm -r .novacron'"; exit 1; }
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/uv.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 10) or sys.exit(f"Python 3.10 or later is needed; {sys.executable} is {v.major}.{v.minor}. Name another one: make PYTHON=python3.12 …")'
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv .venv
	@echo "Installing uv, which installs everything else …"
	@$(BIN)/python -m pip install $(QUIET) --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/base.stamp: .venv/uv.stamp requirements/base.txt $(PROJECTS)
	@echo "Installing the packages of requirements/base.txt (downloads the first time) …"
	@$(UV) --require-hashes -r requirements/base.txt
	@$(UV) --no-deps --no-build-isolation -e infra -e serving -e .
	@touch $@

.venv/run.stamp .venv/clouds.stamp .venv/unit.stamp .venv/dev.stamp .venv/docs.stamp: .venv/%.stamp: .venv/base.stamp requirements/%.txt
	@echo "Installing the packages of requirements/$*.txt (downloads the first time) …"
	@$(UV) --require-hashes -r requirements/$*.txt
	@touch $@
