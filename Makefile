# Shortcuts for those whose fingers type make; the work is done by script/, CMake and docker-compose.yml.
#
# up, down, restart and logs act on a balancer in the background, in containers. `make run` is one in this terminal, with
# its replicas as processes.

COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: all build up down restart run logs test test-docker format clean help

all: build

build: ## build everything into build/release
	script/bootstrap server
	cmake --preset release --log-level=WARNING
	cmake --build --preset release

up: ## build the images and start the balancer in the background; it starts its replicas
	$(COMPOSE) up --build -d

down: ## stop it; nothing is left behind
	$(COMPOSE) down

restart: ## stop it and start it again
	$(COMPOSE) restart

run: ## build, then run with conf/lb.conf; Ctrl-C ends it
	@script/server

logs: ## follow the log of the one in the background
	$(COMPOSE) logs -f ringmaster

test: ## build and run all tests; PRESET=asan or tsan for the sanitizers
	script/test $(or $(PRESET),release)

test-docker: ## the tests with a Docker Engine of their own (root)
	tests/docker/run

format: ## lay the C sources out as .clang-format says
	script/format

clean: ## remove everything that was built
	rm -rf build

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 24
