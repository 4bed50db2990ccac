#!/usr/bin/env bash
# Runs a command on one Vulkan driver: with-driver.sh lavapipe|swiftshader|radv|mesa22|mesa26 COMMAND...
#
# It serves `go test -exec` too: go test -exec "scripts/with-driver.sh mesa26" ./vk/
# radv is the AMD driver without hardware; the caller names the card in RADV_FORCE_FAMILY. mesa22 and mesa26 lie in
# private folders and need another C library than the system's, so the command runs under their own ld.so; it must be a
# dynamically linked program, not a script.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

[ $# -ge 2 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
driver=$1
shift

system_driver() {
	local found
	found=$(ls /usr/share/vulkan/icd.d/$1*.json 2>/dev/null | grep -v '\.i[36]86\.json$' | head -n 1) || true
	[ -n "$found" ] || die "$driver is not installed: make setup"
	echo "$found"
}

private_driver() {
	[ -f "$tools_dir/$1/icd.json" ] || die "$1 is not in $tools_dir: scripts/setup.sh $1"
	echo "$tools_dir/$1/icd.json"
}

case $driver in
lavapipe) VK_DRIVER_FILES=$(system_driver lvp_icd) ;;
radv) VK_DRIVER_FILES=$(system_driver radeon_icd) ;;
swiftshader | mesa22 | mesa26) VK_DRIVER_FILES=$(private_driver "$driver") ;;
*) die "driver $driver is unknown: lavapipe, swiftshader, radv, mesa22 or mesa26" ;;
esac
# Loaders before 1.3.207 know only the second name.
export VK_DRIVER_FILES VK_ICD_FILENAMES=$VK_DRIVER_FILES

lib=$tools_dir/$driver/lib
if [ -d "$lib" ]; then
	program=$(command -v "$1") || die "$1 is not a program"
	shift
	if ls "$lib/layers/"*.json >/dev/null 2>&1; then export VK_LAYER_PATH=$lib/layers; fi
	exec "$lib"/ld-linux-*.so.* --library-path "$lib" "$program" "$@"
fi
exec "$@"
