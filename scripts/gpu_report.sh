#!/usr/bin/env bash
# Makes a folder that says on any Linux machine of this architecture what its GPU does with qwenvk. It takes nothing from
# the network, there or here, and needs there a GPU's driver, glibc 2.34 and bash; a Vulkan loader comes along.
#
#   gpu_report.sh FOLDER          makes FOLDER (about 120 MB), which must not be there yet
#
# On the machine with the GPU:    FOLDER/run.sh [--device NAME] [--quick]
# which takes less than 8 minutes and leaves FOLDER/report-HOST.json and .log: see scripts/gpu_report_run.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "gpu_report: $*" >&2; exit 1; }

[ $# = 1 ] && [ "${1#-}" = "$1" ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "scripts/$(basename "$0")"; exit 2; }
out=$1
[ ! -e "$out" ] || die "$out is there already: name a folder that is not, or remove it"

# The loader of this system, for machines whose driver came without one.
libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) || true # whole, before it is searched: a closed pipe would fail the program
loader=$(awk '/libvulkan\.so\.1 .*(x86-64|AArch64)/ { print $NF; exit }' <<<"$libraries")
[ -n "$loader" ] || die "there is no libvulkan.so.1 here to bring along: make setup"

work=$(mktemp -d "${out%/}.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lib" "$work/tests/testdata" "$work/tests/shaders" "$work/tests/graph/vkexec"
echo "gpu_report: building the program and the tests" >&2
go build -trimpath -ldflags="-s -w" -o "$work/qwenvk" ./cmd/qwenvk
go test -c -trimpath -ldflags="-s -w" -o "$work/tests/goldens.test" .
go test -c -trimpath -ldflags="-s -w" -o "$work/tests/graph/vkexec/models.test" ./graph/vkexec
go test -c -trimpath -ldflags="-s -w" -o "$work/tests/shaders/kernels.test" ./shaders
cp -L "$loader" "$work/lib/libvulkan.so.1"
cp -r testdata/golden testdata/demo-model "$work/tests/testdata/"
[ ! -d graph/vkexec/testdata ] || cp -r graph/vkexec/testdata "$work/tests/graph/vkexec/"
cp scripts/gpu_report_run.sh "$work/run.sh"
cp LICENSE "$work/"
chmod 755 "$work" "$work/run.sh"
mv "$work" "$out"
trap - EXIT
echo "gpu_report: $out is ready ($(du -sh "$out" | cut -f 1)): carry it to the machine with the GPU and start $(basename "$out")/run.sh" >&2
