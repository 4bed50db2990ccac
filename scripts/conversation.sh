#!/usr/bin/env bash
# Talks to the demo model and checks what it says: conversation.sh [COMMAND WORDS...], by default bin/qwenvk.
set -euo pipefail
cd "$(dirname "$0")/.."
read -r -a qwenvk <<<"${*:-bin/qwenvk}" # with the words before it, such as with-driver.sh

# ask PATTERN ARGUMENTS...: prints question and answer; the answer must contain the pattern.
ask() {
	local want=$1 answer
	shift
	printf '\n$ qwenvk run demo %s\n' "${*@Q}"
	answer=$("${qwenvk[@]}" run demo --temp 0 "$@")
	printf '%s\n' "$answer"
	case $answer in
	*"$want"*) ;;
	*)
		echo "conversation: the answer does not contain '$want'" >&2
		exit 1
		;;
	esac
}

ask "42" -p "What is 17 + 25?"
ask "12 chickens and 4 rabbits" -p "I count 16 heads and 40 legs of chickens and rabbits. How many of each?"
ask "16-bit float" --think off -p "I want to know what BF16 is."
ask "90-23=67" --think on -p "90-23等于几?"
