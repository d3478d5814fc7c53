# Shortcuts for those whose fingers type make; the work is done by script/ and CMake.
#
# up, down, restart and logs act on a balancer in the background; they come with docker-compose.yml, which is what keeps
# one there. Until then `make run` is the balancer, in this terminal, and its log is what you see.

.PHONY: all build run test format clean help

all: build

build: ## build everything into build/release
	script/bootstrap server
	cmake --preset release --log-level=WARNING
	cmake --build --preset release

run: ## build, then run with conf/lb.conf; Ctrl-C ends it
	@script/server

test: ## build and run all tests; PRESET=asan or tsan for the sanitizers
	script/test $(or $(PRESET),release)

format: ## lay the C sources out as .clang-format says
	script/format

clean: ## remove everything that was built
	rm -rf build

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16
