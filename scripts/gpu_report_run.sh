#!/usr/bin/env bash
# Tells what this machine's GPU does with qwenvk: doctor, golden tests, every kernel against its reference, and the speed of
# models of random weights. Nothing is installed, nothing is fetched or sent; 8 minutes at most, each part within a limit.
#
#   run.sh                    on the best device of the machine
#   run.sh --device NAME      on another: its index, a part of its name, or its UUID (qwenvk devices lists them)
#   run.sh --quick            a minute's look: a few tests and the smallest model
#
# It leaves report-HOST.json (send this) and report-HOST.log beside itself.
set -u
here=$(cd "$(dirname "$0")" && pwd)
device= quick=
while [ $# -gt 0 ]; do
	case $1 in
	--device) device=${2-}; shift ;;
	--quick) quick=yes ;;
	*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
	esac
	shift
done
deadline=440 # seconds for all; a part may take 10 more to end
began=$SECONDS
host=$(uname -n | tr -c 'A-Za-z0-9._\n' '-')
report=$here/report-$host.json log=$here/report-$host.log
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
: >"$log" || exit 1

tell() { echo "$*" | tee -a "$log" >&2; }
left() { echo $((deadline - (SECONDS - began))); }
# text STRING: as a JSON string.
text() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | LC_ALL=C tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g')"; }
# part SECONDS COMMAND...: runs it within the limit and what is left of all, output to $work/out and the log; $status is its
# exit status, 124 when the time ran out.
part() {
	local limit=$1
	shift
	[ "$limit" -le "$(left)" ] || limit=$(left)
	status=124 took=0
	: >"$work/out"
	[ "$limit" -gt 3 ] || return 0
	echo "== $*" >>"$log"
	local start=$SECONDS
	timeout -s INT -k 10 "$limit" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	took=$((SECONDS - start))
	[ $status != 137 ] || status=124
	cat "$work/out" "$work/err" >>"$log"
}
word() { case $1 in 0) echo done ;; 124) echo "out of time" ;; 5) echo "does not fit" ;; *) echo failed ;; esac; }

export QWENVK_LOG_LEVEL=warn
"$here/qwenvk" version >"$work/version" 2>>"$log" || { tell "the program does not start here: see $log (it needs glibc 2.34)"; exit 1; }
# The system's own loader first; the one that came along where there is none.
if ! "$here/qwenvk" devices --json >"$work/devices" 2>>"$log"; then
	export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	"$here/qwenvk" devices --json >"$work/devices" 2>>"$log" || { tell "no Vulkan device is found on this machine, with its loader or ours: see $log"; exit 3; }
fi
[ -z "$device" ] || export QWENVK_DEVICE=$device
if [ -z "$device" ]; then # the tests want it by name
	device=$(awk -F: '/"index"/ { gsub(/[ ,]/, "", $2); i = $2 } /"default": *true/ { print i; exit }' "$work/devices")
fi
export QWENVK_TEST_DEVICE=$device
cat "$work/devices" >>"$log"
tell "device $device of $(grep -c '"index"' "$work/devices"); log: $log"

# doctor, where this build has it.
doctor=null doctor_status="not in this build"
if "$here/qwenvk" doctor --help >/dev/null 2>&1; then
	tell "doctor ..."
	part 75 "$here/qwenvk" doctor --json
	doctor_status=$(word $status)
	case $(head -c 1 "$work/out") in '{' | '[') [ $status = 124 ] || doctor=$(cat "$work/out") ;; esac
	tell "  $doctor_status, $took s"
fi

# tests NAME SECONDS FOLDER PROGRAM FLAGS...: a test binary, counted.
tests= separator=
run_tests() {
	local name=$1 limit=$2 folder=$3 program=$4 failures
	shift 4
	tell "$name ..."
	cd "$here/tests/$folder" || return
	[ "$limit" -le "$(left)" ] || limit=$(left)
	part $((limit + 5)) "./$program" -test.v -test.short -test.timeout "${limit}s" "$@"
	cd "$here" || return
	! grep -q 'panic: test timed out' "$work/out" "$work/err" || status=124
	failures=$(grep -o -- '^ *--- FAIL: [^ ]*' "$work/out" | sed 's/.*FAIL: //' | head -50 | while read -r f; do text "$f"; echo; done | paste -s -d , -)
	tests+="$separator{\"name\":\"$name\",\"status\":\"$(word $status)\",\"seconds\":$took"
	tests+=",\"passed\":$(grep -c -- '--- PASS' "$work/out"),\"failed\":$(grep -c -- '--- FAIL' "$work/out"),\"skipped\":$(grep -c -- '--- SKIP' "$work/out"),\"failures\":[$failures]}"
	separator=,
	tell "  $(word $status), $(grep -c -- '--- PASS' "$work/out") passed, $(grep -c -- '--- FAIL' "$work/out") failed, $took s"
}
if [ -n "$quick" ]; then
	run_tests goldens 60 . goldens.test -test.run '^TestGoldens$/^tier0$/^qwen3-dense-tied$'
	run_tests kernels 30 shaders kernels.test -test.run '^(TestRMSNorm|TestPairs|TestArgMax)$'
	run_tests models 30 graph/vkexec models.test -test.run '^(TestMeasureLimits|TestFill)$'
else
	run_tests goldens 90 . goldens.test -test.run '^TestGoldens'
	run_tests kernels 75 shaders kernels.test -test.skip 'RADV|AMD|UpToDate|SharedNumbers'
	run_tests models 45 graph/vkexec models.test -test.run '^(TestOracle|TestFill|TestColumns|TestReplay|TestTimeKernels|TestMeasureLimits)'
fi

# bench LIMIT ARGUMENTS...: the rows of one model are added to all.
rows= parts= separator=
run_bench() {
	local limit=$1
	shift
	tell "bench $* ..."
	part "$limit" "$here/qwenvk" bench "$@" -o json
	if [ $status = 0 ]; then # the array without its brackets
		sed -e '1s/^\[//' -e '$s/\]$//' "$work/out" >"$work/rows"
		rows+="${rows:+,}$(cat "$work/rows")"
	fi
	parts+="$separator{\"arguments\":$(text "$*"),\"status\":\"$(word $status)\",\"seconds\":$took}"
	separator=,
	tell "  $(word $status), $took s"
}
if [ -n "$quick" ]; then
	run_bench 60 --random bench-xs -p 32 -n 8 -d 0,32 -r 4 --kernels
else
	run_bench 90 --random 8b -p 512,2048 -n 128 -d 0,512 -r 5 --kernels
	run_bench 45 --random 0.6b -p 512 -n 128 -d 512 -r 5
	run_bench 60 --random 30b-a3b -p 512 -n 128 -d 512 -r 5
	run_bench 60 --random 8b --type Q4_K_M -p 512 -n 128 -d 512,8192 -r 3
	run_bench 60 --random 235b-a22b -p 0 -n 64 -d 512 -r 3
	run_bench 60 --random 1.7b --type Q8_0 -p 512 -n 128 -d 512 -r 3
fi

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)
cat >"$work/report" <<REPORT
{"qwenvk_report":1,"version":$(text "$(cat "$work/version")"),"date":"$(date -u +%FT%TZ)","quick":$([ -n "$quick" ] && echo true || echo false),
"host":{"system":$(text "$(uname -srm)"),"cpu":$(text "$cpu")},"seconds":$((SECONDS - began)),"device":$(text "$device"),
"devices":$(cat "$work/devices"),
"doctor_status":"$doctor_status","doctor":$doctor,
"tests":[$tests],
"bench_parts":[$parts],
"bench":[$rows]}
REPORT
mv "$work/report" "$report"
tell "$((SECONDS - began)) s; the report is $report"
