#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh BUILD-DIRECTORY [SECONDS]: one worker of the echo example under load, on io_uring and then on epoll. Every byte
# that comes back is compared by the load generator. System calls are counted in a second, short run, because strace slows
# the server down. Ends with one row per engine; fails if an engine that could start did not echo every byte.
set -eu

build=${1:?usage: demo.sh BUILD-DIRECTORY [SECONDS]}
seconds=${2:-5}
connections=50
message=64

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ringline-demo.XXXXXX")
server=
tracer=

clean_up() {
	for pid in $tracer $server; do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# value FILE KEY: the value of the last line KEY=VALUE.
value() {
	sed -n "s/^$2=//p" "$1" | tail -n 1
}

# start ENGINE: starts the server and finds its address; fails, with the reason in $reason, if it does not come up.
start() {
	reason=
	address=
	"$build/examples/echo" -l tcp:127.0.0.1:0 -b "$1" -w 1 --stats >"$tmp/out" 2>"$tmp/err" &
	server=$!
	tries=100
	while [ "$tries" -gt 0 ]; do
		address=$(sed -n 's/^listening on //p' "$tmp/out" | head -n 1)
		if [ -n "$address" ]; then
			return 0
		fi
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
		tries=$((tries - 1))
	done
	reason=$(tail -n 1 "$tmp/err")
	: "${reason:=it did not say where it listens}"
	kill "$server" 2>/dev/null || true
	wait "$server" || true
	server=
	return 1
}

# stop: asks the server to drain and end, and reads from its statistics which engine it ran.
stop() {
	kill -TERM "$server"
	status=0
	wait "$server" || status=$?
	server=
	engine=$(value "$tmp/err" engine)
	if [ "$status" -ne 0 ]; then
		echo "demo: the server ended with status $status" >&2
		cat "$tmp/err" >&2
		return 1
	fi
}

# load SECONDS FILE
load() {
	"$build/bench/load" -a "$address" -c "$connections" -s "$message" -t "$1" -p "$server" >"$2"
}

# count_calls: system calls per request of a short run into $calls, or n/a with the reason in $note.
count_calls() {
	calls=n/a
	if ! command -v strace >/dev/null; then
		note='system calls not counted: no strace'
		return 0
	fi
	strace -c -f -o "$tmp/calls" -p "$server" 2>"$tmp/strace" &
	tracer=$!
	# It says that it is attached; until then, or until it gives up, there is nothing to count.
	tries=50
	while [ "$tries" -gt 0 ] && ! grep -q attached "$tmp/strace" && kill -0 "$tracer" 2>/dev/null; do
		sleep 0.1
		tries=$((tries - 1))
	done
	if ! grep -q attached "$tmp/strace" || ! load 2 "$tmp/traced"; then
		note="system calls not counted: $(tail -n 1 "$tmp/strace")"
		kill "$tracer" 2>/dev/null || true
		wait "$tracer" || true
		tracer=
		return 0
	fi
	# An interrupt makes it detach and print its table; its own exit status then says nothing.
	kill -INT "$tracer" 2>/dev/null || true
	wait "$tracer" || true
	tracer=
	# The fourth column of a row that begins with a number is the number of calls; the last row is their total.
	calls=$(awk -v requests="$(value "$tmp/traced" requests)" '
		/^ *[0-9]/ && $NF != "total" { calls += $4 }
		END { if (requests > 0) printf "%.3f", calls / requests; else print "n/a" }
	' "$tmp/calls")
}

failed=0
: >"$tmp/table"
for wanted in io_uring epoll; do
	echo "demo: $wanted: $connections connections, messages of $message bytes, $seconds s" >&2
	if ! start "$wanted"; then
		printf '%s: not run: %s\n' "$wanted" "$reason" >>"$tmp/notes"
		continue
	fi
	note=
	if ! load "$seconds" "$tmp/load"; then
		failed=1
	fi
	count_calls
	stop || failed=1
	errors=$(value "$tmp/load" errors)
	bytes=$(value "$tmp/load" bytes_verified)
	if [ "${errors:-1}" != 0 ] || [ "${bytes:-0}" = 0 ]; then
		echo "$wanted: ${errors:-unknown} errors, ${bytes:-0} bytes verified" >>"$tmp/notes"
		failed=1
	fi
	if [ "$engine" != "$wanted" ]; then
		echo "$wanted: the statistics say that \"$engine\" ran" >>"$tmp/notes"
		failed=1
	fi
	if [ -n "$note" ]; then
		echo "$wanted: $note" >>"$tmp/notes"
	fi
	printf '%-9s %12s %8s %8s %16s %14s %16s\n' "${engine:-unknown}" "$(value "$tmp/load" requests_per_second)" \
		"$(value "$tmp/load" p50_us)" "$(value "$tmp/load" p99_us)" \
		"$(value "$tmp/load" server_cpu_us_per_request)" "$calls" "${bytes:-0}" >>"$tmp/table"
done

echo
printf '%-9s %12s %8s %8s %16s %14s %16s\n' engine requests/s 'p50 us' 'p99 us' 'CPU us/request' calls/request 'bytes verified'
cat "$tmp/table"
if [ -f "$tmp/notes" ]; then
	echo
	cat "$tmp/notes"
fi
if [ ! -s "$tmp/table" ]; then
	failed=1
fi
exit "$failed"
