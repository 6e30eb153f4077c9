#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The proxy and the chat under clients nobody here wrote: socat, nc, curl; and a daemon that a service manager hands its
# sockets. Everything on io_uring and on epoll.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

examples=$top_builddir/examples

for tool in socat nc curl cmp; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

# Processes to be ended with a case.
started=
end_all() {
	for process in $started; do
		kill -KILL "$process" 2>/dev/null || true
	done
}

# claim FUNCTION: runs it in a shell of its own that ends with the first command that fails.
claim() {
	set +e
	(
		set -e
		trap end_all EXIT
		"$1"
	) >"$tmp/said" 2>&1
	claimed=$?
	set -e
}

held() {
	cat "$tmp/said"
	[ "$claimed" -eq 0 ]
}

# listening FILE [LEADER]: the address that the daemon announced there.
listening() {
	until grep -q '^listening on ' "$1"; do
		kill -0 "$daemon" || return 1
		sleep 0.02   # for a process to start there is no event to wait for
	done
	sed -n 's/^listening on //p' "$1" | head -n 1
}

# start PROGRAM ARGUMENT...: an example on the engine under test; sets address and port.
start() {
	program=$1
	shift
	: >"$tmp/out"
	"$examples/$program" -b "$engine" "$@" >"$tmp/out" 2>"$tmp/err" &
	daemon=$!
	started="$started $daemon"
	address=$(listening "$tmp/out")
	port=${address##*:}
}

stop() {
	kill -TERM "$daemon"
	wait "$daemon"
}

# An echo daemon to forward to; its address is $target.
start_target() {
	start echo -l tcp:127.0.0.1:0
	target=$address
}

wait_for() {
	until grep -q "$1" "$2"; do
		sleep 0.02   # for what another process writes there is no event to wait for
	done
}

forwards_both_ways() {
	start_target
	start proxy -l tcp:127.0.0.1:0 -t "$target" --stats
	[ "$(echo hello | socat -t 5 - "tcp:127.0.0.1:$port")" = hello ]
	socat -t 60 - "tcp:127.0.0.1:$port" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	nc -N 127.0.0.1 "$port" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	stop
	grep -q "^engine=$engine" "$tmp/err"
	[ "$(sed -n 's/^bytes_spliced=//p' "$tmp/err")" -gt 0 ]
}

forwards_between_kinds_of_sockets() {
	start echo -l "unix:$tmp/target"
	start proxy -l "unix:$tmp/proxy" -t "unix:$tmp/target"
	socat -t 60 - "unix-connect:$tmp/proxy" <"$tmp/big" >"$tmp/back"
	cmp "$tmp/big" "$tmp/back"
	stop
	[ ! -e "$tmp/proxy" ]
}

forwards_to_a_name() {
	start_target
	start proxy -l tcp:127.0.0.1:0 -t "localhost:${target##*:}"
	[ "$(echo name | socat -t 5 - "tcp:127.0.0.1:$port")" = name ]
	stop
}

serves_curl_over_a_unix_socket() {
	rm -f "$tmp/http"
	cat >"$tmp/answer" <<-'END'
		#!/bin/sh
		read -r request
		printf 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'
	END
	chmod 755 "$tmp/answer"
	socat "unix-listen:$tmp/http,fork" exec:"$tmp/answer" &
	started="$started $!"
	until [ -S "$tmp/http" ]; do
		sleep 0.02   # the same
	done
	start proxy -l "unix:$tmp/curl" -t "unix:$tmp/http"
	[ "$(curl --silent --max-time 20 --unix-socket "$tmp/curl" http://localhost/)" = hello ]
	stop
}

resets_when_the_target_is_gone() {
	start proxy -l tcp:127.0.0.1:0 -t tcp:127.0.0.1:1
	status=0
	echo hello | socat -t 5 - "tcp:127.0.0.1:$port" >"$tmp/back" 2>"$tmp/complaint" || status=$?
	[ "$status" -ne 0 ] && [ ! -s "$tmp/back" ]
	stop
}

limits_and_tells() {
	start_target
	start proxy -l tcp:127.0.0.1:0 -t "$target" -m 1 -s "unix:$tmp/stats"
	: >"$tmp/first"   # what an earlier one read is not to be taken for what this one reads
	mkfifo "$tmp/fifo"
	nc -N 127.0.0.1 "$port" <"$tmp/fifo" >"$tmp/first" &
	client=$!
	started="$started $client"
	exec 3>"$tmp/fifo"
	echo first >&3
	wait_for first "$tmp/first"
	[ -z "$(echo second | socat -t 5 - "tcp:127.0.0.1:$port" 2>/dev/null)" ]
	socat -u "unix-connect:$tmp/stats" - >"$tmp/told"
	cat "$tmp/told"
	grep -q 'rejected=[1-9]' "$tmp/told"
	exec 3>&-
	wait "$client" || true
	rm "$tmp/fifo"
	stop
}

cuts_off_the_silent() {
	start_target
	start proxy -l tcp:127.0.0.1:0 -t "$target" -i 1
	status=0
	timeout 20 socat -u "tcp:127.0.0.1:$port" - 2>"$tmp/complaint" || status=$?
	[ "$status" -ne 124 ]
	stop
}

chats() {
	start chat -l tcp:127.0.0.1:0 -w 2
	: >"$tmp/ann.out"
	: >"$tmp/ben.out"
	mkfifo "$tmp/ann" "$tmp/ben"
	nc -N 127.0.0.1 "$port" <"$tmp/ann" >"$tmp/ann.out" &
	started="$started $!"
	exec 3>"$tmp/ann"
	echo ann >&3
	wait_for welcome "$tmp/ann.out"
	nc -N 127.0.0.1 "$port" <"$tmp/ben" >"$tmp/ben.out" 3>&- &
	started="$started $!"
	exec 4>"$tmp/ben"
	printf 'ben\r\n' >&4
	wait_for '^ben enters' "$tmp/ann.out"
	echo 'good morning' >&3
	wait_for '^ann: good morning$' "$tmp/ben.out"
	printf 'good evening\r\n' >&4
	wait_for '^ben: good evening$' "$tmp/ann.out"
	exec 3>&-
	wait_for '^ann leaves' "$tmp/ben.out"
	head -c 5000 /dev/zero | tr '\0' x >&4
	wait_for 'too long' "$tmp/ben.out"
	exec 4>&-
	rm "$tmp/ann" "$tmp/ben"
	stop
}

takes_sockets_from_a_service_manager() {
	systemd-socket-activate -l "$tmp/activated" --fdname=echo -- \
		"$examples/echo" -b "$engine" -l systemd:echo >"$tmp/out" 2>"$tmp/err" &
	daemon=$!
	started="$started $daemon"
	until [ -S "$tmp/activated" ]; do
		sleep 0.02   # the same
	done
	[ "$(echo activated | socat -t 5 - "unix-connect:$tmp/activated")" = activated ]
	[ "$(echo again | socat -t 5 - "unix-connect:$tmp/activated")" = again ]
	stop
	rm -f "$tmp/activated"
}

bad_options() {
	for bad in '' '-t nowhere' '-t tcp:127.0.0.1:1 -m many' '-t tcp:127.0.0.1:1 -i -5' '-t tcp:127.0.0.1:1 stray'; do
		status=0
		# shellcheck disable=SC2086 # options to be split
		"$examples/proxy" $bad >"$tmp/out2" 2>"$tmp/err2" || status=$?
		[ "$status" -eq 2 ] || { echo "$bad: status $status"; return 1; }
		[ -s "$tmp/err2" ]
	done
	"$examples/proxy" --help | grep -q -- '-t TARGET'
}

dd if=/dev/urandom of="$tmp/big" bs=1048576 count=32 2>/dev/null
refused=$("$top_builddir/tests/support/has-io_uring") || true

for engine in io_uring epoll; do
	for function in forwards_both_ways forwards_between_kinds_of_sockets forwards_to_a_name \
		serves_curl_over_a_unix_socket resets_when_the_target_is_gone limits_and_tells cuts_off_the_silent chats \
		takes_sockets_from_a_service_manager bad_options; do
		name="$engine: $(echo "$function" | tr _ ' ')"
		if [ "$engine" = io_uring ] && [ -n "$refused" ]; then
			skip "$name" "$refused"
		elif [ "$function" = takes_sockets_from_a_service_manager ] && ! command -v systemd-socket-activate >/dev/null; then
			skip "$name" "there is no systemd-socket-activate"
		else
			claim "$function"
			check "$name" held
		fi
	done
done
finish
