# Functions over apt for the other scripts; sourced, never run.
#
# Everything that is fetched comes from the package archive this system is already set up with: archive() reads it
# from apt's own sources, so proxies, mirrors and credentials of the machine keep working and no host is written here.

# The folder for tools that are unpacked and not installed: drivers to test against, shader compilers.
tools_dir=${QWENVK_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/qwenvk/tools}

say() { echo "setup: $*" >&2; }
die() { echo "setup: $*" >&2; exit 1; }

# become_root WHY: sets the array root to what must stand before a command that needs root. Without being root it asks
# once, on a terminal, before it uses sudo.
root_known=
root=()
become_root() {
	[ -z "$root_known" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "$1 needs root, and there is no sudo: run this once as root"
		root=(sudo)
		if [ -n "${CI:-}" ] || [ ! -t 0 ]; then
			root=(sudo -n)
		else
			read -r -p "setup: $1 needs root: use sudo? [Y/n] " answer
			case $answer in [nN]*) die "stopped: nothing was changed" ;; esac
			sudo -v || die "sudo did not let us: run this once as root"
		fi
	fi
	root_known=yes
}

# installed PACKAGE [MINIMUM]: true when dpkg has it, in at least that version.
installed() {
	local have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
	[ "${have%% *}" = installed ] || return 1
	[ -z "${2:-}" ] || dpkg --compare-versions "${have#* }" ge "$2"
}

# candidate PACKAGE: the version that apt would install; empty when it knows none.
candidate() {
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '(none)' || true
}

# apt_update: reads the package lists, once per run.
apt_updated=
apt_update() {
	[ -z "$apt_updated" ] || return 0
	become_root "reading the package lists (apt-get update)"
	log "${root[@]}" apt-get -qq update || die "apt-get update failed: see the messages above"
	apt_updated=yes
}

# apt_install [apt options] PACKAGE...: installs without asking and without recommended packages.
apt_install() {
	become_root "installing packages"
	say "installing $(printf '%s\n' "$@" | grep -v '^-' | grep -v -- '-backports$' | tr '\n' ' ')"
	log "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install "$@" </dev/null ||
		die "apt-get could not install $*: see the messages above"
}

# log CMD...: silent, unless the command fails.
log() {
	local out
	out=$(mktemp)
	if "$@" >"$out" 2>&1; then
		rm -f "$out"
		return 0
	fi
	cat "$out" >&2
	rm -f "$out"
	return 1
}

# archive: "URI SIGNED-BY" of the Debian archive in apt's sources, the first entry that serves this release itself.
# Both forms of sources are read: one line per source (*.list) and deb822 stanzas (*.sources).
archive() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	awk -v suite="$codename" '
		function take(uri, key) { if (!found) { print uri, key; found = 1 } }
		function flush(   i, n, s) {
			n = split(suites, s, " ")
			if (types ~ /(^| )deb( |$)/ && enabled != "no")
				for (i = 1; i <= n; i++) if (s[i] == suite) { split(uris, u, " "); take(u[1], signed) }
			types = uris = suites = signed = enabled = ""
		}
		FILENAME ~ /\.sources$/ {
			if (FNR == 1) flush()
			if ($0 ~ /^[ \t]*$/) { flush(); next }
			if ($0 ~ /^#/) next
			value = $0; sub(/^[^:]*:[ \t]*/, "", value)
			field = tolower($1)
			if (field == "types:") types = value
			else if (field == "uris:") uris = value
			else if (field == "suites:") suites = value
			else if (field == "signed-by:") signed = value
			else if (field == "enabled:") enabled = value
			next
		}
		$1 == "deb" {
			options = ""; line = $0
			if (match(line, /\[[^]]*\]/)) { options = substr(line, RSTART + 1, RLENGTH - 2); sub(/\[[^]]*\]/, "", line) }
			split(line, f, " ")
			key = ""
			if (match(options, /signed-by=[^ ]+/)) key = substr(options, RSTART + 10, RLENGTH - 10)
			if (f[3] == suite) take(f[2], key)
		}
		END { flush() }
	' $(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null)
}

# archive_key SIGNED-BY: the key file to check an archive with: the given one, else Debian's own.
archive_key() {
	case $1 in
	/*) echo "$1" ;;
	*) echo /usr/share/keyrings/debian-archive-keyring.gpg ;;
	esac
}

# add_backports: makes apt know this release's backports, in a file of its own. They are never installed from unless
# a command asks for them by name, so nothing else on the system changes.
add_backports() {
	local codename uri key
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	if apt-cache policy 2>/dev/null | grep -q "n=$codename-backports"; then return; fi
	read -r uri key < <(archive) || true
	[ -n "${uri:-}" ] || die "found no Debian archive for $codename in apt's sources"
	become_root "adding $codename-backports to apt's sources"
	say "adding $codename-backports to apt's sources (/etc/apt/sources.list.d/qwenvk-backports.sources)"
	printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: %s\n' \
		"$uri" "$codename" "$(archive_key "${key:-}")" |
		"${root[@]}" tee /etc/apt/sources.list.d/qwenvk-backports.sources >/dev/null
	apt_updated=
	apt_update
}

# private_apt WORK "SUITE...": makes the array apt a command that works on lists and a cache of its own in the folder
# WORK, for other releases of the system's archive and on an empty list of installed packages.
apt=()
private_apt() {
	local work=$1 uri key suite
	read -r uri key < <(archive) || true
	[ -n "${uri:-}" ] || die "found no Debian archive in apt's sources"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	touch "$work/status"
	for suite in $2; do
		echo "deb [signed-by=$(archive_key "${key:-}")] $uri $suite main"
	done >"$work/sources.list"
	# root's apt would hand the download to a user that cannot enter this folder.
	apt=(apt-get -qq -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
		-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/nonexistent
		-o Dir::State::status="$work/status" -o APT::Sandbox::User=root)
}

# private_debs FOLDER "SUITE..." PACKAGE...: unpacks packages of another release, with all that they need down to the C
# library, into FOLDER. Nothing is installed; apt's empty list of installed packages makes it fetch the whole closure.
# Programs there run through FOLDER's own ld.so.
private_debs() {
	local folder=$1 suites=$2 work deb
	shift 2
	work=$(mktemp -d)
	mkdir -p "$folder"
	private_apt "$work" "$suites"
	if ! log "${apt[@]}" update || ! log "${apt[@]}" -y --no-install-recommends --download-only install "$@"; then
		rm -rf "$work"
		die "could not fetch $* from $suites: see the messages above"
	fi
	for deb in "$work"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$folder"; done
	rm -rf "$work"
}

# private_deb FOLDER SUITE PACKAGE: unpacks one package of another release into FOLDER, without what it needs: for its
# files, not its programs.
private_deb() {
	local folder=$1 suite=$2 package=$3 work
	work=$(mktemp -d)
	mkdir -p "$folder"
	private_apt "$work" "$suite"
	if ! log "${apt[@]}" update || ! (cd "$work" && log "${apt[@]}" download "$package"); then
		rm -rf "$work"
		die "could not fetch $package from $suite: see the messages above"
	fi
	dpkg-deb -x "$work"/*.deb "$folder"
	rm -rf "$work"
}
