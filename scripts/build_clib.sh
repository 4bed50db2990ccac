#!/usr/bin/env bash
# Builds the C library: build_clib.sh FOLDER puts libqwenvk.so (qwenvk.dll with GOOS=windows) and qwenvk.h there. Go and gcc are all
# that it needs. Of the library only the functions of qwenvk.h can be seen.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)

case ${GOOS:-$(go env GOOS)} in
windows)
	library=qwenvk.dll
	flags=
	;;
darwin)
	library=libqwenvk.dylib
	flags=-Wl,-exported_symbol,_qwenvk_*
	;;
*)
	library=libqwenvk.so
	flags="-Wl,--version-script=$PWD/clib/qwenvk.map -Wl,-soname,libqwenvk.so"
	;;
esac
go build -buildmode=c-shared -ldflags "-s -w -extldflags '$flags'" -o "$folder/$library" ./clib
rm -f "$folder/${library%.*}.h" # cgo's own
cp clib/qwenvk.h "$folder/"
