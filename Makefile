# A thin front over the CMake presets. `make help` lists the targets.
.PHONY: help deps build demo test check-all bench install clean
.DEFAULT_GOAL := help

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
CCACHE := $(shell command -v ccache)
CONFIGURE = cmake --preset $(1) $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache) >build/configure-$(1).log || { cat build/configure-$(1).log; exit 1; }

help:
	@echo "make demo       install what is missing, build, train on the embedded data, show the result"
	@echo "make test       install what is missing, build, run all tests"
	@echo "make deps       install the packages that the build needs (SINTER_INSTALL=0: never)"
	@echo "make build      the release build: build/release/bin/sinter"
	@echo "make bench      the workloads beside PyTorch, which goes into a virtual environment"
	@echo "make check-all  every preset, every test"
	@echo "make install    PREFIX=$(PREFIX)"
	@echo "make clean      remove the build folder"

deps:
	@tools/install_packages

build: deps
	@mkdir -p build
	@echo "sinter: building (release)"
	@$(call CONFIGURE,release)
	@cmake --build build/release -j $(JOBS) -- --quiet

demo: build
	@echo "sinter: training on the embedded data set"
	@build/release/bin/sinter train image --out runs/demo --force

test: build
	@echo "sinter: testing (release)"
	@ctest --test-dir build/release --output-on-failure

check-all: test
	@for preset in dev asan tsan; do \
	  echo "sinter: building and testing ($$preset)"; \
	  cmake --preset $$preset $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache) >build/configure-$$preset.log && \
	  cmake --build build/$$preset -j $(JOBS) -- --quiet && \
	  ctest --test-dir build/$$preset --output-on-failure || exit 1; \
	done

bench: build
	@tools/bench/run

install: build
	@cmake --install build/release --prefix $(PREFIX)

clean:
	@rm -rf build
