#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/dns under clients and an upstream that nobody here wrote: dig, drill, dnsperf, and dnsmasq.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

server=
upstream=
end_all() {
	for process in "$server" "$upstream"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || true
	done
	rm -rf "$tmp"
}
trap end_all EXIT

for tool in dig drill dnsperf dnsmasq socat; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

cat >"$tmp/zone" <<-'END_OF_ZONE'
	# what the tests ask for
	zone example.test
	www.example.test    300  A      192.0.2.1
	www.example.test    300  AAAA   2001:db8::1
	alias.example.test  300  CNAME  www.example.test
	loop.example.test   300  CNAME  loop.example.test
	example.test        300  MX     10 mail.example.test
	example.test        300  TXT    hello there
	example.test        300  NS     ns.example.test
END_OF_ZONE
i=0
while [ "$i" -lt 40 ]; do
	echo "big.example.test 60 TXT $i-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" >>"$tmp/zone"
	i=$((i + 1))
done

# The upstream takes a port that is free when it is asked for; another process could come first, then it is tried again.
start_upstream() {
	for attempt in 1 2 3 4 5; do
		up=$((20000 + ($$ * 7 + attempt * 1009) % 20000))
		dnsmasq -k -C /dev/null -p "$up" --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --user=root \
			--address=/up.test/198.51.100.7 --cache-size=0 2>"$tmp/upstream" &
		upstream=$!
		sleep 0.3        # it says nothing when it is there
		if kill -0 "$upstream" 2>/dev/null; then
			return 0
		fi
	done
	return 1
}

# start ENGINE ARGUMENT...
start() {
	engine=$1
	shift
	: >"$tmp/out"
	RINGLINE_BACKEND=$engine "$top_builddir/examples/dns" -l 127.0.0.1:0 -z "$tmp/zone" "$@" >"$tmp/out" 2>"$tmp/err" &
	server=$!
	while ! grep -q '^listening on ' "$tmp/out"; do
		kill -0 "$server" || { cat "$tmp/err"; return 1; }
		sleep 0.02   # for a process to start there is no event to wait for
	done
	port=$(sed -n 's/^listening on .*://p' "$tmp/out")
}

stop() {
	kill -TERM "$server"
	wait "$server"
	server=
	cat "$tmp/out"
}

ask() {
	dig +time=5 +tries=1 @127.0.0.1 -p "$port" "$@"
}

# is ANSWER ARGUMENT...
is() {
	wanted=$1
	shift
	got=$(ask +short "$@" | tr '\n' ' ')
	[ "$got" = "$wanted " ] || { echo "$*: \"$got\" instead of \"$wanted\""; return 1; }
}

status() {
	wanted=$1
	shift
	ask "$@" | tee "$tmp/dig" | grep -q "status: $wanted" || { cat "$tmp/dig"; return 1; }
}

authoritative() {
	start "$1"
	for way in +notcp +tcp; do
		is 192.0.2.1 "$way" www.example.test A
		is 192.0.2.1 "$way" WwW.eXample.TEST A
		is 2001:db8::1 "$way" www.example.test AAAA
		is 'www.example.test. 192.0.2.1' "$way" alias.example.test A
		is '10 mail.example.test.' "$way" example.test MX
		is '"hello there"' "$way" example.test TXT
		status NXDOMAIN "$way" nowhere.example.test A
		status NOERROR "$way" www.example.test MX
		status NOERROR "$way" loop.example.test A
		status REFUSED "$way" elsewhere.test A
		status NOTIMP "$way" +opcode=2 www.example.test A
	done
	# what does not fit is truncated, and whole by TCP
	ask +ignore +noedns big.example.test TXT | grep -q 'flags: [a-z ]*tc'
	[ "$(ask +short big.example.test TXT | wc -l)" -eq 40 ]
	[ "$(ask +short +tcp big.example.test TXT | wc -l)" -eq 40 ]
	drill -p "$port" @127.0.0.1 www.example.test | grep -q '192\.0\.2\.1'
	stop
}

forwards() {
	start "$1" -u "127.0.0.1:$up"
	for way in +notcp +tcp; do
		is 198.51.100.7 "$way" something.up.test A
		is 192.0.2.1 "$way" www.example.test A
	done
	stop
	grep -q 'forwarded=2 failed=0' "$tmp/out"
}

nobody_upstream() {
	start "$1" -u 127.0.0.1:1
	status SERVFAIL +time=10 something.up.test A
	status SERVFAIL +time=10 +tcp something.up.test A
	stop
	grep -q 'failed=2' "$tmp/out"
}

survives_rubbish() {
	start "$1"
	head -c 200000 /dev/urandom | socat -b 100 -u - "udp:127.0.0.1:$port"
	head -c 200000 /dev/urandom | socat -u - "tcp:127.0.0.1:$port" 2>/dev/null || true
	is 192.0.2.1 www.example.test A
	stop
}

loaded() {
	start "$1"
	printf 'www.example.test A\nalias.example.test A\nnowhere.example.test A\n' >"$tmp/queries"
	dnsperf -s 127.0.0.1 -p "$port" -d "$tmp/queries" -n 20000 -c 8 >"$tmp/perf" 2>&1
	cat "$tmp/perf"
	grep -q 'Queries completed: *60000 (100.00%)' "$tmp/perf"
	stop
	grep -q '^answered=60000 ' "$tmp/out"
}

start_upstream
for engine in io_uring epoll; do
	check "$engine: authoritative" authoritative "$engine"
	check "$engine: forwards" forwards "$engine"
	check "$engine: nobody upstream" nobody_upstream "$engine"
	check "$engine: survives rubbish" survives_rubbish "$engine"
	check "$engine: loaded" loaded "$engine"
done
finish
