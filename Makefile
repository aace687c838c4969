# A thin layer over the CMake presets. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := release

PRESETS := release debug asan ubsan tsan coverage fuzz
PRESET ?= asan
PREFIX ?= /usr/local
PYTHON := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
SETUP := tools/setup.sh
BUILD = cmake --preset $(1) && cmake --build --preset $(1)

# Where tests find the model and the shared data.
export SUTRA_TEST_MODEL ?= $(CURDIR)/.cache/model
export SUTRA_SHARED_DATA ?= $(CURDIR)/../shared/data

.PHONY: help $(PRESETS) demo check check-full conformance bench test debug-test format lint coverage-report \
        install deps clean

help: ## This list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || \
	 sed -n 's/^\([a-z][a-z -]*\):.*## /  \1  /p' $(MAKEFILE_LIST)
