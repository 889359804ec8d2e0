# The one task vocabulary: people, hooks and CI all call these targets. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
VAR ?= var/demo
ARGS ?=
# A third of the tests' time they wait: one worker more than there are cores uses it. Each takes a gigabyte and a half.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN) && echo $$((cores < 8 ? cores + 1 : 8)))

BIN := .venv/bin
LOCK := requirements-ml.txt
SPARK_LOCK := requirements-spark.txt
# Named after the pins' checksum: unchanged pins never call pip again, changed ones build afresh.
STAMP := .venv/.installed-$(shell cut -d" " -f1 $(LOCK) | cksum | cut -d" " -f1)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
# pip would compile one file after the other, and the libraries' own tests too; what does not compile, it ignores as well.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x "/tests?/" .venv/lib || true
SPARK_STAMP := .venv/.spark-installed-$(shell cut -d" " -f1 $(LOCK) $(SPARK_LOCK) | cksum | cut -d" " -f1)
# A file's tests stay on one worker; the longest files come first (tests/scheduling.py).
PYTEST := -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
COVERAGE := var/coverage
BENCHES := $(patsubst experiments/benchmarks/%.py,%,$(filter-out %/__init__.py,$(wildcard experiments/benchmarks/*.py)))

# Nothing calls home: a laptop behind a closed network must not wait for an answer.
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z%_-]+:.*## / {sub("%", "NAME", $$1); printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: env
env: $(STAMP) ## Build the environment from the lock, once
	@:

$(STAMP):
	@echo "Building .venv from $(LOCK), this once: three to six minutes"
	@$(PYTHON) -m venv --clear .venv
	@$(PIP_INSTALL) --no-compile --requirement $(LOCK) | { count=0; while read -r step rest; do case "$$step" in \
		Collecting|Processing) count=$$((count + 1)); printf '\r  %d packages resolved' "$$count" ;; \
		Installing) printf '\n  installing them\n' ;; \
	esac; done; }
	@$(COMPILE)
	@$(PIP_INSTALL) --quiet --no-deps --no-index --no-build-isolation --editable .
	@touch $(STAMP)

.PHONY: env-spark
env-spark: $(SPARK_STAMP) ## Add Spark to the environment, once (half a gigabyte; needs Java 17)
	@:

$(SPARK_STAMP): $(STAMP)
	@echo "Adding Spark to .venv from $(SPARK_LOCK), this once: about a minute"
	@$(PIP_INSTALL) --quiet --no-compile --no-deps --requirement $(SPARK_LOCK)
	@$(COMPILE)
	@touch $(SPARK_STAMP)

.PHONY: demo
demo: env ## Relive the year: train, serve, drift, retrain; ends with a table, a chart and links
	@$(BIN)/python -m experiments.replay $(ARGS)

.PHONY: test
test: env ## Run every test that does not take long, with coverage (WORKERS of them at a time)
	@mkdir -p $(COVERAGE)
	@$(BIN)/python -m slipcover --json --out $(COVERAGE)/coverage.json $(PYTEST) -m "not slow and not spark and not nightly and not stripped" \
		--junitxml=$(COVERAGE)/junit.xml $(ARGS)
	@$(BIN)/python -m slipcover --merge $(COVERAGE)/coverage.json --xml --out $(COVERAGE)/coverage.xml --fail-under 90 \
		|| { echo "make test: fewer than 90 % of the lines were run"; exit 1; }

.PHONY: test-slow
test-slow: env-spark ## Run the rest: what takes long, and what needs Spark
	@$(BIN)/python $(PYTEST) -m "(slow or spark) and not nightly" --durations=10 $(ARGS)

.PHONY: test-stripped
test-stripped: env ## Delete the worked problem from a copy, and lint and test the rest
	@$(BIN)/python $(PYTEST) -m stripped $(ARGS)

.PHONY: nightly
nightly: env ## Run the long forms: many kills, weeks, rollouts, fuzzed calls
	@$(BIN)/python $(PYTEST) -m nightly --timeout=1800 --durations=10 $(ARGS)

# mypy ends with a traceback where its workers do not start within three seconds; what is wrong with types, one process says.
.PHONY: lint
lint: env ## Check style, formatting, types, the one-way rooms, YAML and the workflow
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/yamllint --strict .
	@$(BIN)/actionlint
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.repository.map >/dev/null
	@$(BIN)/mypy --num-workers auto >/dev/null 2>&1 || $(BIN)/mypy

.PHONY: map
map: env ## Print the rooms, what is in each, their order, and imports that go against it
	@$(BIN)/python -m tests.repository.map

.PHONY: forget-example
forget-example: ## Delete the worked problem: what is called flight_delay, as CONTRIBUTING.md lists it
	@find features ml-models tests -type d -name flight_delay -prune -exec rm -r {} +
	@sed -i.before -e '/^root_packages/s/"flight_delay", //' \
		-e 's/^problem = .*/problem = "tests.second_problem.problem:PROBLEM"/' pyproject.toml
	@sed -i.before -e '/── flight_delay\//d' README.md
	@rm pyproject.toml.before README.md.before

.PHONY: format
format: env ## Rewrite the code in the one style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: protos
protos: env ## Compile the messages of the gRPC port again
	@cd inference/protocols/open_inference && $(abspath $(BIN))/protoc --proto_path=. \
		--descriptor_set_out=grpc_messages.binpb *.proto

define LOCK_HEADER
# The full lock for Python 3.11, written by `make lock` from pyproject.toml: edit that file, not this one.
# Left out on purpose: CUDA packages, which pip takes as torch and xgboost ask for them on the machine at hand, and
# torch's local version; so one file installs on CPU and on GPU machines. pip comes with the venv.
endef
export LOCK_HEADER

define SPARK_LOCK_HEADER
# What the extra `spark` adds to requirements-ml.txt, written by `make lock`; `make env-spark` installs it.
endef
export SPARK_LOCK_HEADER

.PHONY: lock
lock: env ## Resolve pyproject.toml again, keeping pins (ARGS=--upgrade renews them all)
	@$(BIN)/pip-compile --quiet --no-header --extra dev --strip-extras --annotation-style=line \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-allow-unsafe \
		--no-build-isolation --unsafe-package pip --unsafe-package roundtrip \
		--output-file $(LOCK) $(ARGS) pyproject.toml
	@sed -E -e '/^nvidia-ml-py=/b' -e '/^(nvidia|cuda|triton=|#|$$)/d' -e 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' $(LOCK) > $(LOCK).new
	@{ echo "$$LOCK_HEADER"; cat $(LOCK).new; } > $(LOCK) && rm $(LOCK).new
	@$(BIN)/pip-compile --quiet --no-header --extra spark --strip-extras --annotation-style=line --constraint $(LOCK) \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-allow-unsafe \
		--no-build-isolation --unsafe-package pip --unsafe-package roundtrip --output-file $(SPARK_LOCK).new pyproject.toml
	@{ echo "$$SPARK_LOCK_HEADER"; grep --invert-match --fixed-strings --file=<(grep --only-matching "^[a-z0-9-]*==[^ ]*" $(LOCK)) $(SPARK_LOCK).new \
		| grep "=="; } > $(SPARK_LOCK) && rm $(SPARK_LOCK).new
	@echo "$(LOCK) and $(SPARK_LOCK) are written; the next target builds .venv from them"

serve train monitor ui: export ROUNDTRIP_VAR := $(abspath $(VAR))

.PHONY: train
train: env ## Train, gate and promote once, from VAR (ARGS="--as-of 2013-06-01T00:00:00+00:00")
	@$(BIN)/python -m training train $(ARGS)

.PHONY: serve
serve: env ## Serve the champion found in VAR (ARGS="--port 8000")
	@$(BIN)/python -m inference serve $(ARGS)

.PHONY: monitor
monitor: env ## Watch the predictions logged in VAR (ARGS="--port 8001")
	@$(BIN)/python -m monitoring.ml serve $(ARGS)

.PHONY: ui
ui: env ## Open MLflow, Prefect, Evidently and the API docs on what VAR holds; Ctrl-C ends all
	@$(BIN)/python -m experiments.ui $(ARGS)

.PHONY: bench
bench: $(BENCHES:%=bench-%) ## Run every benchmark

bench-%: env ## Run one benchmark: table, chart, var/bench/NAME.json
	@$(BIN)/python -m experiments.benchmarks.$* $(ARGS)

.PHONY: clean
clean: ## Remove everything that runs have produced (not the environment)
	rm -rf var
