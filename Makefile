# Two commands matter: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MACHINES_PYTHON ?= 3.11
# Processes for the tests; a file's tests stay in one. The long files come first, so that none is left alone at the end.
WORKERS ?= 2
LINUX := manylinux_2_34_x86_64 manylinux_2_31_x86_64 manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64
PEER_PACKAGES := chromium dcmtk dicom3tools libpixelmed-java orthanc orthanc-dicomweb libgdcm-tools
export AEGLE_PEER_PACKAGES := $(PEER_PACKAGES)

# What runs at a hospital runs on Windows too; the embedded database of the hub does not.
WINDOWS := -p aegle.dicom -p aegle.deid -p aegle.intake -p aegle.carrier -p aegle.protocols -p aegle.inference -p aegle.pages -p aegle.site \
  -p aegle.local.archive -m aegle.local.audit -m aegle.local.secrets -m aegle.local.accounts -m aegle.local.hub_client \
  -m aegle.local.processes -m aegle.local.windows_service -m aegle.provision.releases

.PHONY: demo test test-infra-long lint soak bench bench-deid fuzz docs pages lock peers providers release release-check clean
.DEFAULT_GOAL := demo

demo: $(VENV)/runtime pages  ## the main job end to end; EXIT=1 ends by itself
	@$(BIN)/aegle demo $(if $(EXIT),--exit)

test: $(VENV)/dev pages peers providers  ## install what the tests need and run them
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-infra-long: $(VENV)/dev providers  ## the blueprint with 50 sites, and every mutation of it alone: ten minutes
	@$(BIN)/python -m pytest -m soak --timeout 1200 tests/infra

lint: $(VENV)/dev  ## style, types (also for Windows), walls between rooms
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 $(WINDOWS)
	@$(BIN)/lint-imports

soak: $(VENV)/dev pages  ## long runs: random kills
	@$(BIN)/python -m pytest -m soak --timeout 7200 tests/flow

bench: $(VENV)/dev  ## speed, each figure beside its peer or floor
	@for bench in benchmarks/bench_*.py; do $(BIN)/python $$bench || exit 1; done

bench-deid: $(VENV)/dev  ## de-identification beside cp and the installed rivals; needs 12 GB of disk
	@$(BIN)/python benchmarks/bench_deid.py

fuzz: $(VENV)/dev  ## ten thousand damaged objects, then SECONDS=120 of coverage-guided fuzzing where atheris can be had
	@$(BIN)/python tests/fuzz/mutate.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris==3.0.0" || \
	  { echo "atheris 3.0.0 (Apache-2.0) needs CPython 3.11 to 3.13 on Linux; only the damaged objects were tried."; exit 0; }; \
	  $(BIN)/python tests/fuzz/guided.py -max_total_time=$(or $(SECONDS),120)

docs: $(VENV)/runtime  ## rewrite the generated pages of docs/reference
	@$(BIN)/python docs/generate.py

pages: $(VENV)/runtime  ## build the web pages' assets
	@$(BIN)/python web/build.py

peers:
	@if [ -n "$(CI)$(PEERS)" ]; then sh tests/install_peers.sh $(PEER_PACKAGES); fi

providers: $(VENV)/dev  ## fetch Google's descriptions of its interfaces, and where terraform is, bindings whose schema the stand-in serves
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d $(VENV)/providers \
	    -r requirements/interfaces.txt
	@if command -v terraform >/dev/null; then for set in oldest newest; do \
	  $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d $(VENV)/providers \
	    -r requirements/providers-$$set.txt || exit 1; done; fi

release-check: $(VENV)/dev  ## install dist/aegle-VERSION.zip into an empty folder without any network, and say how large it is
	@$(BIN)/python -m pytest -q -s -m soak --timeout 1200 tests/flow/test_release.py

release: $(VENV)/runtime pages  ## dist/aegle-VERSION.zip: wheels for the machines of sites and hub, Linux and Windows
	@rm -rf dist && mkdir -p dist/wheels
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist/wheels .
	@for platforms in "$(LINUX)" win_amd64; do \
	  $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
	    --python-version $(MACHINES_PYTHON) $$(printf -- '--platform %s ' $$platforms) \
	    -d dist/wheels -r requirements/release.txt || exit 1; done
	@cd dist && $(abspath $(BIN))/python -m zipfile -c aegle-$$($(abspath $(BIN))/aegle version).zip wheels/*.whl
	@cd dist && sha256sum aegle-*.zip | tee $$(ls aegle-*.zip).sha256

lock:  ## renew the locks; needs uv
	@for set in "runtime.txt --group build" "dev.txt --group build --group dev" "release.txt --extra gcp --group release"; do \
	  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --quiet --upgrade --custom-compile-command "make lock" -o requirements/$$set || exit 1; done
	@uv pip compile --group pages --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --quiet --upgrade --custom-compile-command "make lock" -o requirements/pages.txt

clean:  ## remove what make made; never a site's data
	rm -rf $(VENV) dist web/node_modules src/aegle/pages/assets

$(VENV)/runtime: requirements/runtime.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Aegle needs Python 3.11 or newer; name one with: make demo PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime requirements/dev.txt
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
