#!/usr/bin/env bash
# Compares what the module exports with the last tag (v*): apidiff.sh. It fails where something that was there is gone or has
# changed, and passes, saying so, where there is no tag yet.
#
# While the major version is 0 a change may be made if docs/api-changes.md has apidiff's line for it. A shallow clone has no
# tags: the last one is then fetched from origin, one commit deep.
set -euo pipefail
cd "$(dirname "$0")/.."

# What docs/embedding.md promises.
packages=(. ./chat ./sampler ./tokenizer ./loader ./grammar ./quant)

tag=$(git tag --list 'v[0-9]*' --sort=-v:refname --merged HEAD | head -n 1)
if [ -z "$tag" ] && [ "$(git rev-parse --is-shallow-repository)" = true ]; then
	tag=$(git ls-remote --tags --refs --sort=-v:refname origin 'v[0-9]*' | sed -n '1s#.*refs/tags/##p')
	[ -z "$tag" ] || git fetch --quiet --depth 1 origin "refs/tags/$tag:refs/tags/$tag"
fi
if [ -z "$tag" ]; then
	echo "apidiff: there is no tag yet, nothing is promised"
	exit 0
fi

mkdir -p bin/tools
[ -x bin/tools/apidiff ] || go build -C tools -o ../bin/tools/ tool
apidiff=$PWD/bin/tools/apidiff
work=$(mktemp -d)
trap 'git worktree remove --force "$work/old" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/old" "$tag"
bad=0
for package in "${packages[@]}"; do
	name=$(go list "$package")
	(cd "$work/old" && [ -d "$package" ] && "$apidiff" -w "$work/export" "$name") || continue # it is new
	while read -r line; do
		case $tag in v0.*) ! grep -qF -- "$line" docs/api-changes.md 2>/dev/null || continue ;; esac
		echo "$name: $line"
		bad=1
	done < <("$apidiff" -incompatible "$work/export" "$name" | sed -n 's/^- //p')
done
if [ $bad = 1 ]; then
	echo "apidiff: programs that were written for $tag would not compile; keep what was there, or say it in docs/api-changes.md while the version is v0"
	exit 1
fi
echo "apidiff: nothing that $tag exports is gone or has changed"
