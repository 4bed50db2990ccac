#!/usr/bin/env bash
# Runs the tests on the software drivers, and counts: the last line is "N passed, N failed, N skipped".
#
#   lavapipe     every package
#   swiftshader  the packages that compute, again: no 16-bit storage, no fp16, another subgroup size
#   race         the packages with goroutines, under the race detector, long tests left out
#
# With QWENVK_TEST_DEVICE (index, part of the name, or UUID) the packages that compute run on that device of this
# machine instead, with whatever driver the system has.
set -euo pipefail
cd "$(dirname "$0")/.."

computing=(./vk/... ./graph/vkexec/... ./engine/... . ./cmd/qwenvk/...)
concurrent=(./vk/... ./graph/... ./engine/... . ./chat/... ./tokenizer/... ./sampler/... ./loader/...)

mkdir -p bin
go build -o bin/tools/testcount ./internal/cmd/testcount

# A test that finds no Vulkan device skips on a developer's laptop; here it must fail.
export CI=${CI:-true}

passes() {
	if [ -n "${QWENVK_TEST_DEVICE:-}" ]; then
		echo "== device $QWENVK_TEST_DEVICE"
		go test -json -timeout 30m "${computing[@]}" || true
		return
	fi
	echo "== lavapipe"
	scripts/with-driver.sh lavapipe go test -json -timeout 30m ./... || true
	echo "== swiftshader"
	scripts/with-driver.sh swiftshader go test -json -timeout 30m "${computing[@]}" || true
	echo "== race, on lavapipe"
	scripts/with-driver.sh lavapipe go test -json -timeout 30m -race -short "${concurrent[@]}" || true
}

# testcount's exit status is the verdict: it sees every failure, also of a build.
passes | bin/tools/testcount -save bin/test-count
