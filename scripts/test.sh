#!/usr/bin/env bash
# Runs the tests on the software drivers, and counts: the last line is "N passed, N failed, N skipped".
#
#   lavapipe     every package, all tests
#   subgroups    the kernels on lavapipe with subgroups of 4 instead of 8
#   swiftshader  devices, kernels, whole models: no 16-bit storage, no fp16, other limits, a compiler of its own
#   matrix       kernels and models in cooperative matrices, on lavapipe of Mesa 26, the one driver here that has them
#   desktop      the desktop program in a window, on lavapipe under a virtual screen
#   race         the packages with goroutines, under the race detector
#
# All but the first leave out what the short tests leave out: the demo model's 150 prompts in each precision, kernels
# above tier 0 in whole models. Words on the command line choose among the six, and know two more, the packages of
# swiftshader's pass on older and newer drivers: scripts/test.sh mesa22 mesa26 race.
#
# With QWENVK_TEST_DEVICE (index, part of the name, or UUID) the packages that compute run on that device of this
# machine instead, with whatever driver the system has.
set -euo pipefail
cd "$(dirname "$0")/.."

kernels=(./shaders/... ./graph/vkexec/...)
models=(./vk/... "${kernels[@]}" ./engine/... .)
computing=("${models[@]}" ./bench/... ./cmd/qwenvk/...)
concurrent=(./vk/... ./graph/vkexec/... ./engine/... ./chat/... ./tokenizer/... ./sampler/... ./loader/... ./bench/... ./cmd/qwenvk/... .)

mkdir -p bin
go build -o bin/tools/testcount ./internal/cmd/testcount

# A test that finds no Vulkan device skips on a developer's laptop; here it must fail.
export CI=${CI:-true}

# -count=1: the go command does not know that the result depends on a driver, and would repeat that of another one.
test=(go test -json -count=1 -timeout 45m)

# run NAME DRIVER [VARIABLE=VALUE] WORDS...: one line of heading, the tests, one line with their time.
run() {
	local name=$1 driver=$2 began=$SECONDS
	shift 2
	echo "== $name"
	if [[ $1 == *=* ]]; then
		local -x "${1%%=*}=${1#*=}"
		shift
	fi
	case $driver in
	mesa*) # the go command itself runs with the system's C library, the tests with the driver's
		scripts/setup.sh "$driver"
		"${test[@]}" -exec "$PWD/scripts/with-driver.sh $driver" "$@" || true
		;;
	*) scripts/with-driver.sh "$driver" "${test[@]}" "$@" || true ;;
	esac
	echo "   $((SECONDS - began)) s"
}

passes() {
	if [ -n "${QWENVK_TEST_DEVICE:-}" ]; then
		echo "== device $QWENVK_TEST_DEVICE"
		"${test[@]}" "${computing[@]}" || true
		return
	fi
	local name
	for name in "$@"; do
		case $name in
		lavapipe) run lavapipe lavapipe ./... ;;
		subgroups) run "lavapipe with subgroups of 4" lavapipe LP_NATIVE_VECTOR_WIDTH=128 -short "${kernels[@]}" ;;
		swiftshader) run swiftshader swiftshader -short "${models[@]}" ;;
		matrix) run "cooperative matrices, on lavapipe of Mesa 26" mesa26 -short -run 'Matrix|MulMatCM|AttentionCM|RowScale|WeightMax' ./vk/... "${kernels[@]}" . ;;
		mesa22 | mesa26) run "lavapipe of $name" "$name" -short "${models[@]}" ;;
		desktop) run "the desktop program, on lavapipe" lavapipe -tags desktop ./cmd/qwenvk-desktop ;;
		race) run "race, on lavapipe" lavapipe -race -short "${concurrent[@]}" ;;
		*) echo "scripts/test.sh: there is no pass \"$name\"" ;;
		esac
	done
}

[ $# != 0 ] || set -- lavapipe subgroups swiftshader matrix desktop race
# testcount's exit status is the verdict: it sees every failure, also of a build.
passes "$@" | bin/tools/testcount -save bin/test-count
