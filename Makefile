# Everything a person types here is one word; `make` alone lists the words.
# A command that needs something that this machine lacks installs it first (scripts/setup.sh says what and how).

.DEFAULT_GOAL := help
.PHONY: help clib run chat desktop test check bench shaders amd-stats setup build clean sz

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile bin/qwenvk
	@go build -o bin/qwenvk ./cmd/qwenvk

clib: ## the library for C and others in bin/clib
	@scripts/build_clib.sh bin/clib

run: ## answer a first question with the model inside the binary
	@scripts/setup.sh run
	@go build -o bin/qwenvk ./cmd/qwenvk
	@echo '> What is 17 + 25?'
	@bin/qwenvk run demo -p 'What is 17 + 25?' --think off --temp 0
	@scripts/whats_next.sh

chat: ## talk with the demo model
	@scripts/setup.sh run
	@go build -o bin/qwenvk ./cmd/qwenvk
	@bin/qwenvk run demo

desktop: ## talk with the demo model in a window
	@scripts/setup.sh desktop
	@go build -tags desktop -o bin/qwenvk-desktop ./cmd/qwenvk-desktop
	@bin/qwenvk-desktop

test: ## all tests, on two software Vulkan drivers
	@scripts/setup.sh test
	@scripts/test.sh

check: ## format, vet, staticcheck, layers, shaders up to date, Windows build
	@scripts/check.sh

bench: ## speed of the demo model on the default device
	@scripts/setup.sh run
	@go build -o bin/qwenvk ./cmd/qwenvk
	@bin/qwenvk bench demo -p 256 -n 64

shaders: ## recompile the shaders that changed (fetches the pinned compiler)
	@scripts/compile_shaders.sh

amd-stats: ## what every kernel costs on six generations of AMD cards, by their compiler: docs/results/amd.csv
	@scripts/setup.sh test
	@cd shaders && go test -count=1 -run RADV -amd=write

setup: ## install what the tests need
	@scripts/setup.sh test

sz: ## lines of Go and GLSL per package: growth is a topic of review
	@scripts/sz.sh

clean: ## remove what was built here
	@rm -rf bin
