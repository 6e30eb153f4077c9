#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The echo daemon under clients nobody here wrote, socat and nc, and under the signals and accidents of a daemon's life;
# everything on io_uring and on epoll. Which engine ran is read from the daemon's counters at its end.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

echo_daemon=$top_builddir/examples/echo
load=$top_builddir/bench/load

for tool in socat nc cmp; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

daemon=
end_daemon() {
	if [ -n "$daemon" ]; then
		kill -KILL "$daemon" 2>/dev/null || true
	fi
}

# claim FUNCTION: runs it in a shell of its own that ends with the first command that fails. Not as the condition of an
# "if": there the shell would go on.
claim() {
	set +e
	(
		set -e
		trap end_daemon EXIT
		"$1"
	) >"$tmp/said" 2>&1
	claimed=$?
	set -e
}

held() {
	cat "$tmp/said"
	[ "$claimed" -eq 0 ]
}

# listening FILE N: the address of the N-th listener that the daemon announced there.
listening() {
	sed -n 's/^listening on //p' "$1" | sed -n "${2}p"
}

# start ARGUMENT...: starts the daemon on the engine under test and waits until it accepts.
start() {
	: >"$tmp/out"
	"$echo_daemon" -b "$engine" -w 1 --stats "$@" >"$tmp/out" 2>"$tmp/err" &
	daemon=$!
	while [ -z "$(listening "$tmp/out" 1)" ]; do
		kill -0 "$daemon" || return 1
		sleep 0.02   # for a process to start there is no event to wait for
	done
	address=$(listening "$tmp/out" 1)
	port=${address##*:}
}

# stop: ends it as a service manager does; what it counted must add up, and the engine must be the one under test.
stop() {
	kill -TERM "$daemon"
	status=0
	wait "$daemon" || status=$?
	daemon=
	[ "$status" -eq 0 ] || { cat "$tmp/err"; return 1; }
	ran=$(sed -n 's/^engine=//p' "$tmp/err")
	submitted=$(sed -n 's/^operations_submitted=//p' "$tmp/err")
	ended=$(sed -n 's/^operations_ended=//p' "$tmp/err")
	[ "$submitted" = "$ended" ] || { echo "$submitted operations submitted, $ended ended"; return 1; }
	[ "$ran" = "$engine" ] || [ "$ran" = none ] || { echo "ran on $ran"; return 1; }
}

echoes_a_line() {
	start -l tcp:127.0.0.1:0
	[ "$(echo hello | socat -t 5 - "tcp:127.0.0.1:$port")" = hello ]
	[ "$(echo world | nc -N 127.0.0.1 "$port")" = world ]
	stop
	[ "$ran" = "$engine" ]
}

# 64 MiB there and back, the end of the stream included: half-close by the client, then by the daemon.
echoes_64_mib() {
	start -l tcp:127.0.0.1:0
	socat -t 60 -u "tcp:127.0.0.1:$port,ignoreeof" "create:$tmp/never" 2>/dev/null &
	bystander=$!
	socat -t 60 - "tcp:127.0.0.1:$port" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	nc -N 127.0.0.1 "$port" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	kill "$bystander" 2>/dev/null || true
	wait "$bystander" 2>/dev/null || true
	stop
}

echoes_on_unix_sockets() {
	start -l "unix:$tmp/socket" -l "unix:@ringline-test-$$-$engine"
	[ "$(listening "$tmp/out" 2)" = "unix:@ringline-test-$$-$engine" ]
	[ "$(echo path | socat -t 5 - "unix-connect:$tmp/socket")" = path ]
	[ "$(echo name | socat -t 5 - "abstract-connect:ringline-test-$$-$engine")" = name ]
	socat -t 60 - "unix-connect:$tmp/socket" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	stop
	[ ! -e "$tmp/socket" ]
}

serves_a_thousand() {
	start -l tcp:127.0.0.1:0
	"$load" -a "$address" -c 1000 -s 512 -n 20000 -t 60 >"$tmp/load"
	grep -q '^errors=0$' "$tmp/load"
	"$load" -a "$address" -c 50 -s 64 -n 5000 -t 60 --churn >"$tmp/load"
	grep -q '^errors=0$' "$tmp/load"
	stop
}

# A client that sends and never reads: the daemon's send waits, others are served, and the drain cuts the client off.
survives_a_slow_reader() {
	start -l tcp:127.0.0.1:0
	socat -u "open:$tmp/big" "tcp:127.0.0.1:$port" 2>/dev/null &
	slow=$!
	[ "$(echo hello | socat -t 5 - "tcp:127.0.0.1:$port")" = hello ]
	"$load" -a "$address" -c 10 -s 1000 -n 1000 -t 60 >"$tmp/load"
	stop
	kill "$slow" 2>/dev/null || true
	wait "$slow" 2>/dev/null || true
}

drains_idle_clients() {
	start -l tcp:127.0.0.1:0
	mkfifo "$tmp/fifo"
	nc 127.0.0.1 "$port" <"$tmp/fifo" >"$tmp/idle" &
	client=$!
	exec 3>"$tmp/fifo"
	echo hello >&3
	while ! grep -q hello "$tmp/idle"; do
		sleep 0.02   # until the echo is there
	done
	stop
	exec 3>&-
	wait "$client" || true
	rm "$tmp/fifo"
}

# A second daemon on the port is refused, in words, and the first goes on.
refuses_a_taken_port() {
	start -l tcp:127.0.0.1:0
	if "$echo_daemon" -b "$engine" -l "$address" >"$tmp/out2" 2>"$tmp/err2"; then
		return 1
	fi
	grep -q 'Address already in use' "$tmp/err2"
	[ "$(echo still | socat -t 5 - "tcp:127.0.0.1:$port")" = still ]
	stop
}

keeps_foreign_files() {
	echo precious >"$tmp/file"
	if "$echo_daemon" -b "$engine" -l "unix:$tmp/file" >"$tmp/out2" 2>"$tmp/err2"; then
		return 1
	fi
	[ "$(cat "$tmp/file")" = precious ]
	start -l "unix:$tmp/socket"
	if "$echo_daemon" -b "$engine" -l "unix:$tmp/socket" >"$tmp/out2" 2>"$tmp/err2"; then
		return 1
	fi
	grep -q 'Address already in use' "$tmp/err2"
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
	[ -S "$tmp/socket" ]
	start -l "unix:$tmp/socket"
	[ "$(echo again | socat -t 5 - "unix-connect:$tmp/socket")" = again ]
	stop
}

# One port, 50 daemons one after the other, each with a client that is still there when it ends.
relaunches_on_one_port() {
	start -l tcp:127.0.0.1:0
	same=$address
	stop
	i=0
	while [ "$i" -lt 50 ]; do
		start -l "$same"
		"$load" -a "$same" -c 4 -s 64 -n 40 -t 20 >"$tmp/load"
		stop
		i=$((i + 1))
	done
}

takes_its_options() {
	"$echo_daemon" --help >"$tmp/help"
	grep -q -- '--listen' "$tmp/help"
	for bad in '--nonsense' '-b kqueue' '-w many' '-w -1' 'stray'; do
		status=0
		# shellcheck disable=SC2086 # options to be split
		"$echo_daemon" $bad >"$tmp/out2" 2>"$tmp/err2" || status=$?
		[ "$status" -eq 2 ] || { echo "$bad: status $status"; return 1; }
		[ -s "$tmp/err2" ]
	done
	status=0
	"$echo_daemon" -l tcp:localhost:1 >"$tmp/out2" 2>"$tmp/err2" || status=$?
	[ "$status" -eq 1 ]
	start -l tcp:127.0.0.1:0 -l tcp:127.0.0.1:0
	[ -n "$(listening "$tmp/out" 2)" ] && [ "$(listening "$tmp/out" 2)" != "$address" ]
	stop
}

dd if=/dev/urandom of="$tmp/big" bs=1048576 count=64 2>/dev/null
refused=$("$top_builddir/tests/support/has-io_uring") || true

for engine in io_uring epoll; do
	for function in echoes_a_line echoes_64_mib echoes_on_unix_sockets serves_a_thousand survives_a_slow_reader \
		drains_idle_clients refuses_a_taken_port keeps_foreign_files relaunches_on_one_port takes_its_options; do
		name="$engine: $(echo "$function" | tr _ ' ')"
		if [ "$engine" = io_uring ] && [ -n "$refused" ]; then
			skip "$name" "$refused"
		else
			claim "$function"
			check "$name" held
			sed -n 's/^engine=/# engine from counters: /p' "$tmp/err"
		fi
	done
done
finish
