#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gdb's commands on an echo daemon with a client that says nothing, and on the core of one.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"
skip_all_if_sanitized

for tool in gdb socat; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

script=$(cd "$top_srcdir" && pwd)/gdb/ringline_gdb.py
built=$(cd "$top_builddir" && pwd)
# What libtool made of the program is a script that says where the library is.
program=$built/examples/.libs/echo
[ -x "$program" ] || program=$built/examples/echo
LD_LIBRARY_PATH=$built/lib/.libs
export LD_LIBRARY_PATH
unset DEBUGINFOD_URLS

daemon=
client=
end_all() {
	for process in "$daemon" "$client"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || true
	done
	rm -rf "$tmp"
}
trap end_all EXIT

# begin: the daemon, and a connection that it waits for.
begin() {
	: >"$tmp/out"
	# shellcheck disable=SC3045 # every shell that is sh has it
	(ulimit -c unlimited && cd "$tmp" && exec "$program" -w 1 -b "$engine" -l tcp:127.0.0.1:0) >"$tmp/out" 2>"$tmp/err" &
	daemon=$!
	while ! grep -q '^listening on ' "$tmp/out"; do
		kill -0 "$daemon" || return 1
		sleep 0.02   # for a process to start there is no event to wait for
	done
	port=$(sed -n 's/^listening on .*://p' "$tmp/out")
	(echo hello; exec sleep 1000) | socat - "tcp:127.0.0.1:$port" >"$tmp/back" &
	client=$!
	while ! grep -q hello "$tmp/back"; do
		kill -0 "$client" || return 1
		sleep 0.02
	done
}

# ask WHAT...: runs gdb on that with the script and the command of each line of standard input.
ask() {
	{
		echo "source $script"
		cat
	} >"$tmp/commands"
	gdb -nx -batch -iex 'set auto-load off' -iex 'set debuginfod enabled off' -x "$tmp/commands" "$@" >"$tmp/gdb" 2>&1
	cat "$tmp/gdb"
}

tell_tasks='ringline workers
ringline tasks
python line = next(l for l in gdb.execute("ringline tasks", to_string=True).splitlines() if "conn" in l)
python gdb.execute("ringline bt " + line.split()[3])
'

told() {
	grep -q '^worker 0: 1 tasks$' "$tmp/gdb" &&
		grep -q '^worker 0 task [0-9]* "conn": waits for [0-9.]* s: receive' "$tmp/gdb" &&
		grep -q '^#[0-9]* .*ringline_conn_peek' "$tmp/gdb" &&
		grep -q '^#[0-9]* .* echo (' "$tmp/gdb"
}

live() {
	begin
	printf '%s' "$tell_tasks" | ask -p "$daemon"
	told
}

# It is as it was.
goes_on() {
	kill -TERM "$daemon"
	wait "$daemon"
}

core() {
	printf '%s' "$tell_tasks" | ask "$program" "$tmp/core"
	told
}

misuse() {
	printf 'ringline bt 12345\n' | ask -p "$daemon" || true
	grep -q 'there is no task 12345' "$tmp/gdb" || return 1
	printf 'ringline tasks\n' | ask -nh "$(command -v sleep)" || true
	grep -q 'libringline is not loaded' "$tmp/gdb"
}

for engine in io_uring epoll; do
	check "$engine: tasks and backtraces of a daemon" live
	check "$engine: what is wrong is told" misuse
	check "$engine: the daemon goes on" goes_on
	kill "$client" 2>/dev/null || true
done

check "a daemon that ends with a core" begin
kill -ABRT "$daemon"
wait "$daemon" 2>/dev/null || true
core=$(find "$tmp" -maxdepth 1 -name 'core*' | head -n 1)
if [ -n "$core" ]; then
	[ "$core" = "$tmp/core" ] || mv "$core" "$tmp/core"
	check "tasks and backtraces of a core" core
else
	skip "tasks and backtraces of a core" "the system puts cores somewhere else"
fi
kill "$client" 2>/dev/null || true
finish
