#!/usr/bin/env bash
# Finds what must not be in a committed file: a developer's own folders, the hosts of package archives (the machine's
# own configuration knows them), and notes that something is still to be written.
set -euo pipefail
cd "$(dirname "$0")/.."

# Data and generated files are not text of ours; this file has to name what it looks for.
files=$(git ls-files | grep -vE '^(testdata|demo/train|shaders/spv)/|\.gguf$|(^|/)go\.sum$|^scripts/check_words\.sh$')
bad=0

look() { # look WHAT PATTERN
	local found
	# shellcheck disable=SC2086
	if found=$(grep -nIE "$2" $files); then
		printf '%s\n' "$found" | sed "s#\$# <- $1#"
		bad=1
	fi
}

look "a folder of one machine" '(^|[^A-Za-z0-9_.$}"])/(work|root|home/[a-z]+)/'
look "the host of a package archive" '(deb|security)\.debian\.org|proxy\.golang\.org|registry\.npmjs\.org'
look "something still to be written" '\b(TODO|FIXME|XXX|HACK)\b'
exit $bad
