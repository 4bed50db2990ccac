#!/usr/bin/env bash
# Writes quant/codebooks_gen.go, the codebooks of GGML's IQ types, from the package python3-gguf of Debian sid. The
# result is committed: only who doubts it, or follows a change of the formats, needs to run this.
#
#   codebooks.sh           write the file
#   codebooks.sh --check   only compare
#
# Nothing is installed: the package is unpacked into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")"
. ./debian.sh
cd ..

case ${1:-} in
"" | --check) ;;
*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "scripts/$(basename "$0")"; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
private_deb "$work" sid python3-gguf
go run ./quant/internal/codebooks "$work/usr/lib/python3/dist-packages/gguf/quants.py" \
	"$work/usr/share/doc/python3-gguf/copyright" >"$work/codebooks_gen.go"
if [ "${1:-}" = --check ]; then
	cmp "$work/codebooks_gen.go" quant/codebooks_gen.go || die "quant/codebooks_gen.go is not what python3-gguf gives"
	exit
fi
mv "$work/codebooks_gen.go" quant/codebooks_gen.go
