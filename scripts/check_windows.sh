#!/usr/bin/env bash
# Builds everything, tests too, for Windows with the cross compiler. Nothing is run: there is no Windows here.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc-win32
go build ./...
go vet ./...
go vet -tags desktop ./cmd/qwenvk-desktop/...

# The C library too: everything that the header declares is there. Its version script is for ELF; here the functions that the library's
# two halves call each other by can be seen as well.
library=$(mktemp -d)
trap 'rm -rf "$library"' EXIT
scripts/build_clib.sh "$library"
exported=$(x86_64-w64-mingw32-objdump -p "$library/qwenvk.dll")
for name in $(sed -n 's/^QWENVK_API .*\(qwenvk_[a-z_]*\)(.*/\1/p' clib/qwenvk.h); do
	grep -q " $name\$" <<<"$exported" || { echo "qwenvk.dll does not export $name"; exit 1; }
done
