# A thin layer over the CMake presets. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := release

PREFIX ?= /usr/local
PRESET ?= asan
SECONDS_EACH ?= 60
SETUP := tools/setup.sh

# What the demo, the bench and the conformance run need: the program and the libraries, no tests.
PROGRAM = cmake --preset release >/dev/null && cmake --build --preset release --target sutra sutra_shared sutra_hub

# The same for a machine with a GPU, where the program may have been carried to and nothing may be there to build it with.
CARRIED = test -x build/release/sutra || \
	{ command -v cmake >/dev/null && cmake --preset release >/dev/null && cmake --build --preset release; } || \
	{ echo "build/release/sutra is not there, nor a cmake that could build it" >&2; exit 1; }
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)

# Where tests find the default model and the shared data.
export SUTRA_TEST_MODEL ?= $(CURDIR)/.cache/model
export SUTRA_SHARED_DATA ?= $(CURDIR)/../shared/data

.PHONY: help release asan ubsan tsan fuzz-build coverage debug demo check check-full check-cuda conformance bench bench-cuda fuzz test \
        format lint install deps clean

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1#\2/p' Makefile | \
	 while IFS='#' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

release: ## the program, libraries and tests, in build/release (the default target)
asan: ## the same under AddressSanitizer and UBSan, in build/asan
ubsan: ## the same under UBSan alone
tsan: ## the same under ThreadSanitizer
release asan ubsan tsan:
	@$(SETUP) require build
	@cmake --preset $@ && cmake --build --preset $@

demo: ## everything from a bare Debian to vectors: packages (asks; YES=1), build, model, a table of similarities
	@$(SETUP) packages build
	@$(PROGRAM)
	@$(SETUP) model
	@tools/demo.sh

check: ## what a newcomer runs: sets itself up, then every test, also under ASan/UBSan, fuzz seeds, the reference tokenizer
	@tools/check.sh quick

check-full: ## the rest: ThreadSanitizer, failing allocations, longer fuzzing, linters, arm64 under QEMU
	@tools/check.sh full

conformance: ## against sentence-transformers on the shared data (needs torch; SUTRA_PEERS_PYTHON names a Python with it)
	@$(SETUP) packages build python
	@$(PROGRAM)
	@$(SETUP) model
	@tools/with_peers.sh tests/conformance/reference.py $(ARGS)
	@tools/with_peers.sh tests/conformance/output_types.py
	@tools/with_peers.sh tests/conformance/families.py
	@tools/python_wheel.sh
	@tools/with_peers.sh tests/conformance/python_package.py
	@tools/with_peers.sh tests/conformance/python_mteb.py

bench: ## the peers beside Sutra, interleaved in one run; writes build/bench/ (ARGS= for bench/peers/run.py)
	@$(SETUP) packages build bench
	@$(PROGRAM)
	@$(SETUP) model
	@tools/with_peers.sh bench/peers/run.py $(ARGS)

check-cuda: ## a GPU (DEVICE=cuda:0) against the processor (ARGS=--sanitizer: under compute-sanitizer)
	@$(CARRIED)
	@$(PYTHON) tests/cuda/check_device.py --require --device $(or $(DEVICE),cuda:0) $(ARGS)

bench-cuda: ## a GPU beside torch there; writes build/bench/cuda.json (ARGS= for bench/cuda.py)
	@$(CARRIED)
	@$(or $(SUTRA_PEERS_PYTHON),python3) bench/cuda.py $(ARGS)

fuzz: ## every fuzz target for SECONDS_EACH=60 seconds, or one: F=fuzz_name
	@$(SETUP) require build check
	@tools/fuzz.sh $(SECONDS_EACH) $(F)

test: ## one test by name: T=test_name (a regular expression of ctest) PRESET=asan
	@$(SETUP) require build check
	@cmake --preset $(PRESET) >/dev/null && cmake --build --preset $(PRESET)
	@ctest --test-dir build/$(PRESET) --no-tests=error --output-on-failure -V -R '$(T)'

debug: ## the debug build; with T=test_name that test under gdb (A= its arguments)
	@$(SETUP) require build $(if $(T),debug)
	@cmake --preset debug && cmake --build --preset debug
	@$(if $(T),gdb -q --args build/debug/$(T) $(A))

coverage: ## line coverage of the tests, in build/coverage/report
	@$(SETUP) require build check coverage
	@tools/coverage.sh

format: ## clang-format over the whole tree
	@tools/lint.sh format

lint: ## clang-format check, line width, cppcheck, clang-tidy, shellcheck, layering
	@$(SETUP) require build lint
	@tools/lint.sh check

install: ## into PREFIX=/usr/local (DESTDIR is prepended)
	@$(SETUP) require build
	@cmake --preset release && cmake --build --preset release
	@DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'

deps: ## the Debian packages that the build and the tests need
	@$(SETUP) list build check

clean: ## removes build/
	rm -rf build
