#!/usr/bin/env bash
# Everything that can be said of the code without running it on a device. One line per check; the first that fails ends it.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { echo "check: $*"; }

scripts/setup.sh test
scripts/setup.sh windows

step "format (gofumpt)"
mkdir -p bin/tools
go build -C tools -o ../bin/tools/ tool
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs bin/tools/gofumpt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted:\n%s\n' "$unformatted"
	echo "run: bin/tools/gofumpt -w ."
	exit 1
fi

step "go vet"
go vet ./...
go vet -tags desktop ./cmd/qwenvk-desktop/...

step "staticcheck, with golint's rules for comments"
# That there is a comment at all is tested in internal/archtest.
bin/tools/staticcheck -checks inherit,ST1000,ST1020,ST1021,ST1022 ./...
bin/tools/staticcheck -tags desktop ./cmd/qwenvk-desktop/...

step "exported API against the last tag"
scripts/apidiff.sh

step "words"
scripts/check_words.sh

step "size of the tree"
# It travels whole to machines that have a card to test on.
size=$(git ls-files -z | xargs -0 stat -c %s | awk '{ n += $1 } END { print n }')
[ "$size" -lt 60000000 ] || { echo "the files in the repository have $size bytes, more than 60 MB"; exit 1; }

step "layers"
# Not from the cache: it depends on files that the go command does not see the test read.
go test -count=1 ./internal/archtest

step "go.mod is complete"
go mod tidy -diff
go mod verify >/dev/null

step "shaders are those in the repository"
scripts/compile_shaders.sh --check

step "what kernels cost on six AMD generations is docs/results/amd.csv, and no register spills"
# Compiles what the table does not have, and a sample of the rest.
radv=$(go test -count=1 -v -run 'RADV|AMDOccupancy' ./shaders -args -amd=check) || { printf '%s\n' "$radv"; exit 1; }
# A renamed test would leave nothing to run, and that passes.
for name in TestRADV TestAMDOccupancy; do
	grep -q "^--- PASS: $name" <<<"$radv" || { printf '%s\n' "$radv"; echo "check: $name did not run"; exit 1; }
done

step "Windows build"
scripts/check_windows.sh
