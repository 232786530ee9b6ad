# Each target works from a bare checkout with python3 (>= 3.11), make and the package index: it makes its own environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCKS  := packaging/locks
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
ARGS   ?=
SECONDS ?= 30
RUNTIME ?=
ARCH    ?= $(shell uname -m)
BUILDS ?= $(shell nproc)
ROUNDS ?= 2000
JOBS   ?= 2

.PHONY: run test test-vm test-vm-install test-hosts report-hosts test-aarch64 test-release-aarch64 check format bench crash fuzz soak clients report-picture lock wheels runtime runtimes runtime-profile bundle bundle-check image image-check packages packages-check test-packages clean

run: $(VENV)/.checkout  ## a licensed gateway that answers OpenAI clients on 127.0.0.1:8080
	$(BIN)/ao quickstart $(ARGS)

test: $(VENV)/.development  ## the whole suite; JOBS= at a time, then what needs the machine to itself
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not alone" $(ARGS) || test $$? -eq 5
	$(BIN)/python -m pytest -m alone $(ARGS) || test $$? -eq 5

test-aarch64: $(VENV)/.development  ## licensing's tests under emulation; RUNTIME= a CPython for aarch64 (folder or archive)
	@test -e "$(RUNTIME)" || { echo "Name a CPython for aarch64: make test-aarch64 RUNTIME=PATH (a folder with bin/python3, or an archive)." >&2; exit 2; }
	RUNTIME="$(abspath $(RUNTIME))" $(BIN)/python -m pytest -s tests/real/test_aarch64.py $(ARGS)

test-release-aarch64: $(VENV)/.development  ## the release for aarch64 to a first completion under emulation, with pages of 4 KiB and of 64 KiB
	AO_TEST_AARCH64=1 $(BIN)/python -m pytest -q -s tests/packaging/test_release_serves.py tests/packaging/test_image.py -k aarch64 $(ARGS)

test-vm: $(VENV)/.development  ## a USB stick pulled out in mid-export, in a virtual machine (AO_VM_KERNEL= an unpacked kernel)
	$(BIN)/python -m pytest tests/vm/stick_pulled_out.py $(ARGS)

test-vm-install: $(VENV)/.development  ## a host with a TPM, a clock and a stick, looked at and set up, in a virtual machine (AO_VM_KERNEL= as above)
	$(BIN)/python -m pytest tests/vm/fresh_host.py $(ARGS)

test-hosts: $(VENV)/.development  ## Debian 11 and 12 booted without network: install, upgrade, return, uninstall (as root; a part of the suite)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/real/hosts $(ARGS)

test-packages: $(VENV)/.development  ## the deb and the rpm on Debian 12, booted: up, down, failed, killed, purged; lint (as root; half an hour)
	$(BIN)/python -m pytest -s tests/packaging/lint_packages.py tests/real/hosts/packages_on_hosts.py $(ARGS)

report-hosts: $(VENV)/.development  ## the same on a disk, and what it took: kept under its date, and told of in README.md
	AO_HOSTS_ON_DISK=1 $(BIN)/python -m pytest tests/real/hosts $(ARGS)
	PYTHONPATH=packaging $(BIN)/python -m tests.bench.hosts

check: $(VENV)/.development  ## format, lint, types, and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/rules

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.development  ## what the gateway costs, as a table; ARGS=--keep keeps the report under its date and tells of it in README.md
	$(BIN)/python -m tests.bench $(ARGS)

crash: $(VENV)/.development  ## kill -9 and failing disks: ROUNDS of the journal and the ledger, a tenth with a whole gateway
	CRASH_ROUNDS=$(ROUNDS) GATEWAY_ROUNDS=$$(( ($(ROUNDS) + 9) / 10 )) CRASH_SEED=$${CRASH_SEED:-$$(date +%s)} \
	  $(BIN)/python -m pytest -q tests/crash $(ARGS)


report-picture: $(VENV)/.development  ## .bench/report/: a billing report as a browser shows and prints it (needs chromium)
	$(BIN)/python -m tests.bench.report_picture

fuzz: $(VENV)/.fuzz  ## give every reader of foreign bytes what nobody thought of; SECONDS= for each
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

soak: $(VENV)/.development  ## a thousand paced streams at once on one worker, and its memory over time; SECONDS=600
	$(BIN)/python -m tests.soak --seconds $(SECONDS) $(ARGS)

clients: $(VENV)/.clients tests/real/node/node_modules/.package-lock.json  ## what tests/real/test_framework_clients.py calls: node's and Python's client frameworks

lock: $(VENV)/.development  ## after changing pyproject.toml: pin everything again, with hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-package ao-appliance pyproject.toml -o $(LOCKS)/runtime.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-package ao-appliance --extra checkout -c $(LOCKS)/runtime.txt pyproject.toml -o $(LOCKS)/checkout.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-package ao-appliance --extra development -c $(LOCKS)/checkout.txt pyproject.toml -o $(LOCKS)/development.txt
	for arch in x86_64 aarch64; do $(BIN)/uv pip compile -q --python-version 3.13 --python-platform $$arch-manylinux_2_28 --generate-hashes --no-header --no-annotate --no-emit-package ao-appliance -c $(LOCKS)/runtime.txt pyproject.toml -o $(LOCKS)/bundle-$$arch.txt; done
	echo 'atheris==3.0.0' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - -o $(LOCKS)/fuzz.txt
	printf '%s\n' 'instructor>=1.17' 'langchain-anthropic>=1.7' 'langchain-openai>=1.7' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - -o $(LOCKS)/clients.txt

wheels: $(VENV)/.development  ## dist/: the customer's wheel and the vendor's
	$(BIN)/python -m build -q --no-isolation --wheel --outdir dist .
	$(BIN)/python -m build -q --no-isolation --wheel --outdir dist packaging/vendor

runtime: $(VENV)/.development  ## CPython for hosts that have none, from its sources: ARCH=x86_64 or aarch64, ten minutes or more
	$(BIN)/python packaging/runtime build --arch $(ARCH) --jobs $(BUILDS)

# What ships is tuned, so it is never made with the prebuilt runtime that tests may use.
runtimes: $(VENV)/.development
	for arch in $$(uname -m) x86_64 aarch64; do $(BIN)/python packaging/runtime build --unless-kept --arch $$arch --jobs $(BUILDS) >&2 || exit; done

runtime-profile: $(VENV)/.development  ## count anew what the gateway runs of CPython, by which its build is tuned; after a new version of it
	$(BIN)/python packaging/runtime profile --jobs $(BUILDS)

bundle: runtimes  ## dist/: ao-appliance-<version>-linux-<arch>.run for both machines, and release.unsigned.json
	$(BIN)/python packaging/bundle make $(ARGS)

bundle-check: runtimes  ## the same twice, the second time from nothing kept, compared byte by byte
	$(BIN)/python packaging/bundle check $(ARGS)

packages: runtimes  ## dist/: the same release as a deb and an rpm for both machines, listed in release.unsigned.json
	$(BIN)/python packaging/deb_rpm make $(ARGS)

packages-check: runtimes  ## the same twice, compared byte by byte
	$(BIN)/python packaging/deb_rpm check $(ARGS)

image: runtimes  ## dist/: the same release as an OCI image and a Helm chart for both machines (after bundle: one release.unsigned.json)
	$(BIN)/python packaging/image make $(ARGS)

image-check: runtimes  ## the same twice, the second time from nothing kept, compared byte by byte
	$(BIN)/python packaging/image check $(ARGS)

clean:
	rm -rf $(VENV) dist .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "AO Appliance needs Python 3.11 or newer; set PYTHON=/path/to/python3." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.checkout: $(LOCKS)/checkout.txt pyproject.toml packaging/vendor/pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r $(LOCKS)/checkout.txt
	$(PIP) install --no-deps --no-build-isolation -e . -e packaging/vendor
	@touch $@

$(VENV)/.development: $(LOCKS)/development.txt $(VENV)/.checkout
	$(PIP) install --require-hashes -r $(LOCKS)/development.txt
	@touch $@

# The fuzzer is a development tool of its own: it has wheels for x86_64 only, and nothing else needs it.
$(VENV)/.fuzz: $(LOCKS)/fuzz.txt $(VENV)/.development
	$(PIP) install --require-hashes -r $(LOCKS)/fuzz.txt
	@touch $@

# Client frameworks pin other versions of the official clients than the tests use, so they live beside them.
$(VENV)/.clients: $(LOCKS)/clients.txt | $(VENV)/.development
	$(PYTHON) -m venv $(VENV)/clients
	$(VENV)/clients/bin/python -m pip --disable-pip-version-check -q install --require-hashes -r $<
	@touch $@

tests/real/node/node_modules/.package-lock.json: tests/real/node/package-lock.json
	cd tests/real/node && npm ci --no-audit --no-fund --ignore-scripts
