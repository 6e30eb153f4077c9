#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gdb-fiber.sh [PROGRAM]: gdb unwinds a fiber, the running one and a parked one, down to its first frame and not beyond.
#
# PROGRAM is gdb-fiber-target. A parked fiber is shown as lib/fiber/switch.h says: pc at rln_switch_resume, sp at what
# rln_fiber_sp() returned. Without gdb, or where it may not trace, everything is skipped.
set -eu

target=${1:-${top_builddir:-.}/tests/unit/gdb-fiber-target}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ringline-gdb.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
count=0

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

command -v gdb >"$tmp/found" || skip_all 'gdb is not installed'

cat >"$tmp/commands" <<'EOF'
set confirm off
set pagination off
set width 0
set startup-with-shell off
break breakpoint_here
run
echo ==running\n
backtrace
echo ==parked\n
EOF

# The first frame of a fiber; libc's own has no name that could be relied on. The registers are put back before the
# program goes on.
kind=$("$target")
first=
if [ "$kind" != ucontext ]; then
	first=rln_switch_start
	cat >>"$tmp/commands" <<'EOF'
set $saved_pc = $pc
set $saved_sp = $sp
set $pc = &rln_switch_resume
set $sp = parked_sp
backtrace
set $sp = $saved_sp
set $pc = $saved_pc
EOF
fi
printf 'echo ==end\\n\ncontinue\n' >>"$tmp/commands"

# Under a debugger the leak sanitizer cannot look, and says so by an error.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
export ASAN_OPTIONS
gdb -batch -nx -iex 'set debuginfod enabled off' -iex 'set style enabled off' -x "$tmp/commands" "$target" \
	>"$tmp/all" 2>&1 || true

if grep -q -e 'ptrace: ' -e 'Could not trace the inferior' "$tmp/all"; then
	skip_all 'gdb may not trace here'
fi

sed -n '/^==running/,/^==parked/p' "$tmp/all" >"$tmp/running"
sed -n '/^==parked/,/^==end/p' "$tmp/all" >"$tmp/parked"

# unwinds FILE PREFIX: the three functions stand in their order, each called by the next.
unwinds() {
	sed -n 's/^#[0-9]* .*\('"$2"'_[a-z]*\).*/\1/p' "$1" | tr '\n' ' ' >"$tmp/names"
	[ "$(cat "$tmp/names")" = "$2_inner $2_middle $2_outer " ]
}

# ends_cleanly FILE FIRST: the frame nobody called is FIRST, and gdb does not complain of the stack.
ends_cleanly() {
	! grep -q -i -e corrupt -e 'backtrace stopped' -e 'cannot access' "$1" &&
		sed -n '/^#/p' "$1" | tail -n 1 | grep -q "$2"
}

check() {
	claim=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $claim"
	else
		echo "not ok $count - $claim"
		sed 's/^/# /' "$tmp/all"
	fi
}

exits_normally() {
	grep -q 'exited normally' "$tmp/all"
}

check 'the backtrace of a running fiber shows its functions' unwinds "$tmp/running" running
check 'the backtrace of a running fiber ends at its first frame' ends_cleanly "$tmp/running" "$first"
if [ "$kind" = ucontext ]; then
	count=$((count + 1))
	echo "ok $count - a parked fiber can be unwound # SKIP ucontext saves it in libc's own way"
else
	check 'the backtrace of a parked fiber shows its functions' unwinds "$tmp/parked" parked
	check 'the backtrace of a parked fiber ends at its first frame' ends_cleanly "$tmp/parked" "$first"
fi
check 'the program goes on unharmed' exits_normally
echo "1..$count"
