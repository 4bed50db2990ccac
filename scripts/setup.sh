#!/usr/bin/env bash
# Installs what this project needs and this machine lacks; says one line per thing it does, nothing when all is there.
#
#   setup.sh run           what `make run` needs: a Vulkan loader and any driver (nothing is installed where one works)
#   setup.sh test          what the tests need: Mesa 25's software driver and AMD compiler, the validation layer,
#                          the Vulkan headers, tmux for the chat's test, what the desktop program is compiled against,
#                          a virtual screen, its keyboard and a Chinese font, SwiftShader in a private folder
#   setup.sh desktop       what `make desktop` needs: the above of "run", and the headers of X11
#   setup.sh windows       the cross compiler for Windows
#   setup.sh mesa22        Debian 12's own Mesa 22.3 in a private folder
#   setup.sh mesa26        Mesa 26 in a private folder
#   setup.sh shader-tools  the pinned shader compiler in a private folder
#
# Private folders lie under $QWENVK_TOOLS_DIR, by default ~/.cache/qwenvk/tools; scripts/with-driver.sh uses them.
# Go and gcc are expected to be there.
set -euo pipefail
cd "$(dirname "$0")"
. ./debian.sh

# Mesa older than this has neither the extensions that tier 1 is tested with nor the RADV null devices of gfx11 and up.
mesa_wanted=25.0

# What GLFW is compiled against, on X11.
desktop_build=(libx11-dev libxcursor-dev libxrandr-dev libxinerama-dev libxi-dev libxxf86vm-dev libgl-dev)

need_compilers() {
	command -v go >/dev/null || die "Go is not installed (or not in PATH): version 1.26 or newer, from Debian or go.dev/dl"
	command -v "${CC:-gcc}" >/dev/null || die "${CC:-gcc} is not installed: apt-get install gcc libc6-dev"
}

need_apt() {
	command -v apt-get >/dev/null ||
		die "$1 is missing, and only Debian's apt-get is known here: install your system's package for it, then start again"
}

# probe: 0 a Vulkan device is there, 2 no loader, 3 no device.
probe() {
	local program rc=0
	program=$(mktemp)
	"${CC:-gcc}" -o "$program" vulkan_probe.c -ldl ||
		{ rm -f "$program"; die "${CC:-gcc} cannot compile a small C program: apt-get install gcc libc6-dev"; }
	"$program" 2>/dev/null >&2 || rc=$?
	rm -f "$program"
	return $rc
}

setup_run() {
	need_compilers
	local rc=0
	probe || rc=$?
	[ $rc != 0 ] || return 0
	if [ $rc = 2 ]; then
		need_apt "the Vulkan loader (libvulkan.so.1)"
		apt_update
		apt_install libvulkan1
		rc=0
		probe || rc=$?
		[ $rc != 0 ] || return 0
	fi
	local chosen=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
	[ -z "$chosen" ] || die "the driver that VK_DRIVER_FILES or VK_ICD_FILENAMES names gives no device ($chosen): unset it or correct it"
	need_apt "a Vulkan driver"
	apt_update
	apt_install mesa-vulkan-drivers
	probe || die "no Vulkan device even with mesa-vulkan-drivers installed: 'bin/qwenvk devices' says more"
}

setup_test() {
	need_compilers
	need_apt "the test set of Vulkan drivers"
	local missing=() package
	for package in libvulkan1 libvulkan-dev vulkan-validationlayers tmux "${desktop_build[@]}" xvfb xdotool fonts-wqy-microhei; do
		installed "$package" || missing+=("$package")
	done
	command -v python3 >/dev/null || missing+=(python3) # of the C library's example
	if [ ${#missing[@]} != 0 ]; then
		apt_update
		apt_install "${missing[@]}"
	fi
	if ! installed mesa-vulkan-drivers "$mesa_wanted"; then
		apt_update
		if dpkg --compare-versions "$(candidate mesa-vulkan-drivers)" ge "$mesa_wanted"; then
			apt_install mesa-vulkan-drivers
		else
			add_backports
			apt_install -t "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports" mesa-vulkan-drivers
		fi
	fi
	setup_swiftshader
}

# SwiftShader is a file inside Debian's chromium packages (which of them has changed over time). The package is fetched
# and that one file taken out of it: a browser and its libraries would be a lot to install for a driver.
setup_swiftshader() {
	local folder=$tools_dir/swiftshader work package
	[ ! -f "$folder/icd.json" ] || return 0
	need_apt "SwiftShader"
	say "fetching SwiftShader (a file of Debian's chromium, which is not installed) into $folder"
	apt_update # a package of last week's lists may have left the archive
	work=$(mktemp -d)
	for package in chromium-common chromium; do
		(cd "$work" && log apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package") || continue
		dpkg-deb --fsys-tarfile "$work/$package"_*.deb |
			tar -x -C "$work" --wildcards './usr/lib/chromium/*swiftshader*' 2>/dev/null || true
		[ ! -f "$work/usr/lib/chromium/libvk_swiftshader.so" ] || break
	done
	[ -f "$work/usr/lib/chromium/libvk_swiftshader.so" ] || die "found no SwiftShader in Debian's chromium packages"
	mkdir -p "$folder"
	mv "$work/usr/lib/chromium/libvk_swiftshader.so" "$folder/"
	sed "s#\"library_path\": *\"[^\"]*\"#\"library_path\": \"$folder/libvk_swiftshader.so\"#" \
		"$work/usr/lib/chromium/vk_swiftshader_icd.json" >"$folder/icd.json.part"
	rm -rf "$work"
	mv "$folder/icd.json.part" "$folder/icd.json" # last: its presence says that the folder is whole
}

# setup_mesa NAME "SUITE..." PACKAGE...: lavapipe of another Mesa, reduced to the libraries that it loads, with the C
# library that they were built for.
setup_mesa() {
	local folder=$tools_dir/$1 name=$1 suites=$2 debs lib so path
	work= # global: the trap reads it
	shift 2
	[ ! -f "$folder/icd.json" ] || return 0
	need_apt "$name"
	say "fetching $name into $folder"
	mkdir -p "$tools_dir"
	work=$(mktemp -d "$tools_dir/$name.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	private_debs "$work/root" "$suites" "$@"
	debs=$work/root/usr/lib/$(gcc -print-multiarch)
	# Releases before the merge of /usr keep the C library beside /usr.
	if [ -d "$work/root/lib" ] && [ ! -L "$work/root/lib" ]; then
		cp -a "$work/root/lib/$(gcc -print-multiarch)/." "$debs/"
	fi
	mkdir -p "$work/keep/layers"
	lib=$(cd "$debs" && ls ld-linux-*.so.*)
	cp -L "$debs/$lib" "$work/keep/$lib"
	for so in libvulkan_lvp.so libvulkan.so.1 libVkLayer_khronos_validation.so; do
		[ -f "$debs/$so" ] || continue
		cp -L "$debs/$so" "$work/keep/"
		"$debs/$lib" --library-path "$debs" --list "$debs/$so" | awk '$3 ~ /^\// { print $3 }' |
			while read -r path; do [ -e "$work/keep/${path##*/}" ] || cp -L "$path" "$work/keep/"; done
	done
	# What a C program may load later by name: user names, DNS, and the libraries every Go test binary links.
	for so in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_files.so.2 libnss_dns.so.2; do
		[ ! -f "$debs/$so" ] || [ -e "$work/keep/$so" ] || cp -L "$debs/$so" "$work/keep/"
	done
	rm -rf "$folder"
	mkdir -p "$folder"
	mv "$work/keep" "$folder/lib"
	local manifest=$work/root/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
	if [ -f "$manifest" ]; then
		sed "s#\"library_path\": *\"\([^\"]*/\)\{0,1\}\([^\"/]*\)\"#\"library_path\": \"$folder/lib/\2\"#" \
			"$manifest" >"$folder/lib/layers/${manifest##*/}"
	fi
	sed "s#\"library_path\": *\"[^\"]*\"#\"library_path\": \"$folder/lib/libvulkan_lvp.so\"#" \
		"$work"/root/usr/share/vulkan/icd.d/lvp_icd*.json >"$folder/icd.json.part"
	rm -rf "$work"
	mv "$folder/icd.json.part" "$folder/icd.json" # last: its presence says that the folder is whole
}

setup_desktop() {
	setup_run
	local missing=() package
	[ "$(uname -s)" = Linux ] || return 0 # elsewhere the compiler brings what a window needs
	for package in "${desktop_build[@]}"; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} != 0 ] || return 0
	need_apt "what the window is compiled against (${missing[*]})"
	apt_update
	apt_install "${missing[@]}"
}

case ${1:-} in
run) setup_run ;;
desktop) setup_desktop ;;
test) setup_test ;;
swiftshader) setup_swiftshader ;;
mesa22) setup_mesa mesa22 bookworm mesa-vulkan-drivers libvulkan1 ;;
mesa26) setup_mesa mesa26 "trixie trixie-backports" mesa-vulkan-drivers/trixie-backports mesa-libgallium/trixie-backports \
	libvulkan1 vulkan-validationlayers ;;
windows)
	if ! command -v x86_64-w64-mingw32-gcc-win32 >/dev/null; then
		need_apt "the cross compiler for Windows"
		apt_update
		apt_install gcc-mingw-w64-x86-64-win32
	fi
	;;
shader-tools)
	[ -x ./compile_shaders.sh ] || die "scripts/compile_shaders.sh is not there"
	./compile_shaders.sh --setup
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
	exit 2
	;;
esac
