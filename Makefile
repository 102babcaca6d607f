# make demo: build and show every example through a daemon.  make test: build with sanitizers, for release and for
# fuzzing, and run all tests.  make bundle: a folder that runs on other machines.  Each installs with apt what is missing.
.PHONY: help demo test bundle build clean

help:
	@echo "make demo    install what is missing, build, run every example through a hawserd"
	@echo "make test    install what is missing, build with sanitizers and in release, run all tests and fuzzers"
	@echo "make build   build in release (build/)"
	@echo "make bundle  make a relocatable folder in dist/"
	@echo "make clean   remove build folders"

demo: build
	scripts/demo build

build:
	scripts/install-deps
	cmake --preset release >/dev/null
	cmake --build --preset release

test:
	scripts/install-deps
	cmake --preset debug >/dev/null
	scripts/install-third-party
	cmake --build --preset debug
	cmake --build --preset debug --target external-programs
	cmake --preset tsan >/dev/null
	cmake --build --preset tsan
	cmake --preset release >/dev/null
	cmake --build --preset release
	if scripts/can-fuzz; then cmake --preset fuzz >/dev/null && cmake --build --preset fuzz; fi
	tests/run build-debug --also build-tsan --also build --fuzz build-fuzz

bundle: build
	scripts/bundle build

clean:
	rm -rf build build-debug build-tsan build-fuzz dist
