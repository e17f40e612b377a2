# A thin front over the CMake presets. `make help` lists the targets; all can be run again at no cost.
.PHONY: help deps deps-optional build demo test test-emulated check-all bench measure fuzz install clean
.DEFAULT_GOAL := help

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
LAUNCHER := $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
PRESETS := release dev asan tsan clang
# ON makes warnings errors, as checks do; whoever only uses Sinter may have a compiler that warns of more.
WERROR ?=
FUZZ_SECONDS ?= 30

# Configures and builds one preset; CMake's own output is shown only when it fails.
define make_preset
	@mkdir -p build
	@echo "sinter: building ($(1))"
	@cmake --preset $(1) $(LAUNCHER) $(WERROR:%=-DSINTER_WERROR=%) >build/configure-$(1).log 2>&1 || { cat build/configure-$(1).log; exit 1; }
	@cmake --build build/$(1) -j $(JOBS) -- --quiet
endef

help:
	@echo "make demo       install what is missing, build, train on the embedded data, show the result"
	@echo "make test       install what is missing, build, run all tests"
	@echo "make test-emulated"
	@echo "                of these the ones of the CUDA back end, on an emulated device"
	@echo "make deps       install the packages that the build needs (SINTER_INSTALL=0: never)"
	@echo "make build      the release build: build/release/bin/sinter"
	@echo "make bench      the workloads beside PyTorch, which goes into a virtual environment under build/"
	@echo "make measure    make bench, with more rounds; goes on where it was stopped; writes docs/measurements/"
	@echo "make check-all  every preset ($(PRESETS)), every test, the layout, an installed copy,"
	@echo "                that forgetting a part of an op is found, that broken CUDA kernels are,"
	@echo "                that both compilers record ops in one order, and the first two commands"
	@echo "                in a bare Debian 12 and 13"
	@echo "make fuzz       libFuzzer on every reader, FUZZ_SECONDS=$(FUZZ_SECONDS) each (needs clang)"
	@echo "make install    into PREFIX=$(PREFIX); then find_package(sinter) and pkg-config find it"
	@echo "make clean      remove the build folder"

deps:
	@tools/install_packages

deps-optional:
	@tools/install_packages optional

build: deps
	$(call make_preset,release)

demo: build
	@echo "sinter: training on the embedded data set"
	@build/release/bin/sinter train image --out runs/demo --force
	@echo "sinter: what it learned, on the test set:"
	@build/release/bin/sinter eval runs/demo
	@echo "sinter: the run is in runs/demo"

test: build
	@echo "sinter: testing (release)"
	@ctest --test-dir build/release --output-on-failure

test-emulated: build
	@echo "sinter: testing on the emulated CUDA device (release)"
	@ctest --test-dir build/release --output-on-failure -L emulated

check-all: WERROR = ON
check-all: $(PRESETS:%=check-%)
	@python3 tools/check_layout.py
	@python3 tools/check_layout_test.py
	@echo "sinter: installing into a folder of its own and using that"
	@tests/install/check
	@echo "sinter: planting what could be forgotten"
	@python3 tools/check_forgetting.py
	@echo "sinter: breaking CUDA kernels, for the emulated device to find"
	@python3 tools/mutate_cuda.py --jobs $(JOBS)
	@echo "sinter: building and testing in bare systems"
	@tools/try_system debian-12
	@tools/try_system debian-13

check-clang: deps-optional
check-all: check-order

.PHONY: check-order
check-order: check-clang
	@echo "sinter: looking for ops whose order the compiler chooses"
	@tools/check_order.py build/clang

.PHONY: $(PRESETS:%=check-%)
$(PRESETS:%=check-%): check-%: deps
	$(call make_preset,$*)
	@echo "sinter: testing ($*)"
	@ctest --test-dir build/$* --output-on-failure

bench: build
	@tools/bench/run

measure: build
	@tools/bench/run --rounds 7 --resume

fuzz: deps-optional
	@mkdir -p build
	@echo "sinter: building (fuzz)"
	@cmake --preset fuzz $(LAUNCHER) >build/configure-fuzz.log 2>&1 || { cat build/configure-fuzz.log; exit 1; }
	@cmake --build build/fuzz -j $(JOBS) --target fuzz -- --quiet
	@tools/fuzz build/fuzz $(FUZZ_SECONDS)

install: build
	@cmake --install build/release --prefix "$(PREFIX)" >build/install.log || { cat build/install.log; exit 1; }
	@echo "sinter: installed into $(PREFIX)"

clean:
	@rm -rf build
