#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/syslogd under logger(1): every message is written once, or counted as dropped by the kernel.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

for tool in logger socat; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

daemon=
end_all() {
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
	rm -rf "$tmp"
}
trap end_all EXIT

# start ENGINE
start() {
	rm -f "$tmp/log" "$tmp/out"
	: >"$tmp/out"
	RINGLINE_BACKEND=$1 "$top_builddir/examples/syslogd" -o "$tmp/log" -u "unix:$tmp/socket" -l udp:127.0.0.1:0 \
		-t tcp:127.0.0.1:0 >"$tmp/out" 2>"$tmp/err" &
	daemon=$!
	while [ "$(grep -c '^listening on ' "$tmp/out")" -lt 3 ]; do
		kill -0 "$daemon" || return 1
		sleep 0.02   # for a process to start there is no event to wait for
	done
	udp=$(sed -n 's/^listening on udp:.*://p' "$tmp/out")
	tcp=$(sed -n 's/^listening on tcp:.*://p' "$tmp/out")
}

# stop: ends it; its counters must agree with the file.
stop() {
	kill -TERM "$daemon"
	wait "$daemon"
	daemon=
	cat "$tmp/out" "$tmp/err"
	written=$(sed -n 's/^received=\([0-9]*\) written=\1 failed=0 .*/\1/p' "$tmp/out")
	dropped=$(sed -n 's/^received=.* dropped=\([0-9]*\)$/\1/p' "$tmp/out")
	[ -n "$written" ] && [ "$(wc -l <"$tmp/log")" -eq "$written" ]
}

# lines N: waits until as many were written; the file tells when the daemon is through with what was sent.
lines() {
	while [ "$(wc -l <"$tmp/log")" -lt "$1" ]; do
		kill -0 "$daemon" || return 1
		sleep 0.02
	done
}

each_kind() {
	start "$1"
	seq -f 'unix %g' 1000 | logger -u "$tmp/socket"
	seq -f 'stream %g' 1000 | logger -T -n 127.0.0.1 -P "$tcp" --octet-count
	seq -f '<13>line %g' 1000 | socat -u - "tcp:127.0.0.1:$tcp"
	lines 3000
	stop
	[ "$written" -eq 3000 ]
	for word in unix stream line; do
		seq -f "$word %g" 1000 >"$tmp/wanted"
		grep -o "$word [0-9]*\$" "$tmp/log" | cmp - "$tmp/wanted"
	done
}

# What does not arrive has been dropped, by the kernel, which says so.
flood() {
	start "$1"
	seq 20000 | logger -d -n 127.0.0.1 -P "$udp"
	ends=0
	while ! grep -q 'the end$' "$tmp/log"; do    # it comes behind all the others, or is dropped itself
		kill -0 "$daemon" || return 1
		logger -d -n 127.0.0.1 -P "$udp" the end
		ends=$((ends + 1))
		sleep 0.1
	done
	stop
	[ $((written + dropped)) -eq $((20000 + ends)) ]
}

# generate ARGUMENT...: has loggen send for half a second; how many it sent goes to the sum.
generate() {
	loggen -n 20000 -r 100000 -I 5 "$@" 2>&1 | tee "$tmp/loggen"
	sent=$((sent + $(sed -n 's/.*count=\([0-9]*\),.*/\1/p' "$tmp/loggen")))
}

under_loggen() {
	start "$1"
	sent=0
	generate -x -D "$tmp/socket"
	generate -i -S --active-connections=4 127.0.0.1 "$tcp"
	generate -i -D 127.0.0.1 "$udp"
	ends=0
	while ! grep -q 'the end$' "$tmp/log"; do
		kill -0 "$daemon" || return 1
		logger -d -n 127.0.0.1 -P "$udp" the end
		ends=$((ends + 1))
		sleep 0.1
	done
	stop
	[ "$sent" -ge 40000 ] && [ $((written + dropped)) -eq $((sent + ends)) ]
}

for engine in io_uring epoll; do
	if command -v loggen >/dev/null; then
		check "$engine: what loggen sends" under_loggen "$engine"
	else
		skip "$engine: what loggen sends" "there is no loggen"
	fi
	check "$engine: unix, octets, lines" each_kind "$engine"
	check "$engine: a flood is accounted for" flood "$engine"
done
finish
