#!/usr/bin/env bash
# Lines of code per package: sz.sh. Blank lines and whole-line comments are not counted; tests have their own column.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files -co --exclude-standard '*.go' '*.c' '*.h' '*.comp' '*.glsl' | while read -r file; do
	[ -f "$file" ] || continue
	kind=code
	case $file in *_test.go) kind=test ;; esac
	echo "$(dirname "$file") $kind $(grep -cvE '^[[:space:]]*($|//)' "$file" || true)"
done | awk '
	{ n[$1, $2] += $3; total[$2] += $3; dirs[$1] = 1 }
	END {
		printf "%-28s %7s %7s\n", "package", "code", "tests"
		for (d in dirs) printf "%-28s %7d %7d\n", d, n[d, "code"], n[d, "test"] | "sort"
		close("sort")
		printf "%-28s %7d %7d\n", "all", total["code"], total["test"]
	}'
