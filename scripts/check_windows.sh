#!/usr/bin/env bash
# Builds everything, tests too, for Windows with the cross compiler. Nothing is run: there is no Windows here.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc-win32
go build ./...
go vet ./...
