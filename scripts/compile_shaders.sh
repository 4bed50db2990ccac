#!/usr/bin/env bash
# Compiles every row of the kernel table (shaders/kernels.go) to SPIR-V in shaders/spv, and the two shaders that draw the
# desktop program beside their sources. The SPIR-V is committed: building and running this project needs no shader compiler.
#
#   compile_shaders.sh           compile all, remove files that no row names any more
#   compile_shaders.sh --check   compile into a temporary folder and compare byte for byte with shaders/spv
#   compile_shaders.sh --setup   only fetch the compiler
#
# The compiler is pinned, because another version gives other bytes and other speed: glslc and spirv-tools of Debian
# trixie, unpacked with their own C library into a private folder ($QWENVK_TOOLS_DIR, by default ~/.cache/qwenvk/tools).
# Nothing is installed on the system.
set -euo pipefail
cd "$(dirname "$0")"
. ./debian.sh
cd ..

glslc_pin="shaderc 2025.2-1"
spirv_pin="SPIRV-Tools v2025.1"
tools=$tools_dir/shader-tools

# setup_tools fetches the compiler and keeps of it the three programs and the libraries that they load.
setup_tools() {
	[ ! -f "$tools/complete" ] || return 0
	command -v apt-get >/dev/null ||
		die "the pinned shader compiler comes from Debian's archive, and there is no apt-get here: run this on a Debian machine"
	say "fetching the shader compiler into $tools"
	mkdir -p "$tools_dir"
	local work root loader
	work=$(mktemp -d "$tools_dir/shader-tools.XXXXXX")
	private_debs "$work/root" trixie glslc spirv-tools
	root=$(dirname "$(find "$work/root/usr/lib" -name 'ld-linux-*.so.*' | head -n 1)")
	loader=$(basename "$root"/ld-linux-*.so.*)
	mkdir -p "$work/keep/bin" "$work/keep/lib"
	cp -L "$root/$loader" "$work/keep/lib/"
	for program in glslc spirv-opt spirv-val spirv-dis; do
		cp "$work/root/usr/bin/$program" "$work/keep/bin/"
		"$root/$loader" --library-path "$root" --list "$work/root/usr/bin/$program" | awk '$3 ~ /^\// { print $3 }' |
			while read -r so; do cp -Ln "$so" "$work/keep/lib/"; done
	done
	touch "$work/keep/complete"
	rm -rf "$tools"
	mv "$work/keep" "$tools"
	rm -rf "$work"
}

# tool PROGRAM ARGS...: runs one of them under the C library it was built for.
tool() {
	local program=$1
	shift
	"$tools"/lib/ld-linux-*.so.* --library-path "$tools/lib" "$tools/bin/$program" "$@"
}

# pinned PROGRAM VERSION: dies unless the program in the folder is that one.
pinned() {
	local version
	version=$(tool "$1" --version 2>&1) # whole, before it is searched: a closed pipe would fail the program
	case $version in
	*"$2"*) ;;
	*) die "$1 in $tools is not $2 but ${version%%$'\n'*}: remove the folder, or move the pin and recompile everything" ;;
	esac
}

check_pins() {
	pinned glslc "$glslc_pin"
	pinned spirv-opt "$spirv_pin"
}

# compile OUT SOURCE DEFINES...: one variant. Names are kept: reflection compares them with the Go structs.
# What the pinned tools made of the same preprocessed text before is taken from the cache beside them.
compile() {
	local out=$1 source=$2 key
	shift 2
	key=$tools/cache/$({ echo "$glslc_pin $spirv_pin"; tool glslc -E --target-env=vulkan1.1 -I shaders "$@" "shaders/$source"; } |
		sha256sum | cut -d ' ' -f 1)
	if [ -f "$key" ]; then
		cp "$key" "$out"
		return
	fi
	translate "$out" "$source" "$@"
	mkdir -p "$tools/cache"
	cp "$out" "$key.$$" && mv "$key.$$" "$key"
}

translate() {
	local out=$1 source=$2
	shift 2
	tool glslc --target-env=vulkan1.1 -Werror -fshader-stage=compute -I shaders "$@" -o "$out.tmp" "shaders/$source"
	tool spirv-opt --target-env=vulkan1.1 -O "$out.tmp" -o "$out"
	rm "$out.tmp"
	tool spirv-val --target-env vulkan1.1 "$out"
}

# picture SOURCE OUT: a vertex or fragment shader of the desktop program.
picture() {
	tool glslc --target-env=vulkan1.1 -Werror -o "$2.tmp" "$1"
	tool spirv-opt --target-env=vulkan1.1 -O "$2.tmp" -o "$2"
	rm "$2.tmp"
	tool spirv-val --target-env vulkan1.1 "$2"
}

case ${1:-} in
"" | --check) ;;
--setup) setup_tools; check_pins; exit ;;
--one) # internal: one line of the list, as a process of its own
	# shellcheck disable=SC2086 # the defines are words
	set -- "$2" $3
	file=$1
	shift
	compile "$file" "$@"
	exit
	;;
*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "scripts/$(basename "$0")"; exit 2 ;;
esac

setup_tools
check_pins
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go run ./shaders/internal/variants >"$work/list"
while read -r file rest; do printf '%s\0%s\0' "$work/$file" "$rest"; done <"$work/list" |
	xargs -0 -n 2 -P "$(nproc)" scripts/compile_shaders.sh --one || die "not every shader compiled: see the messages above"

drawing=cmd/qwenvk-desktop/gpu
pictures=$(mktemp -d)
trap 'rm -rf "$work" "$pictures"' EXIT
for source in "$drawing"/ui.vert "$drawing"/ui.frag; do picture "$source" "$pictures/${source##*/}.spv"; done

if [ "${1:-}" = --check ]; then
	for new in "$pictures"/*.spv; do
		cmp -s "$new" "$drawing/${new##*/}" ||
			die "$drawing/${new##*/} is not what its source gives: run scripts/compile_shaders.sh and commit the result"
	done
	diff -rq "$work" shaders/spv -x list -x README.md ||
		die "shaders/spv is not what the sources give: run scripts/compile_shaders.sh and commit the result"
	exit
fi
mkdir -p shaders/spv
for old in shaders/spv/*.spv; do
	[ -f "$work/${old##*/}" ] || rm -f "$old"
done
for new in "$work"/*.spv; do
	cmp -s "$new" "shaders/spv/${new##*/}" || mv "$new" shaders/spv/
done
for new in "$pictures"/*.spv; do
	cmp -s "$new" "$drawing/${new##*/}" || mv "$new" "$drawing/"
done
