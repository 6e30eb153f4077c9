#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Multicast and plain datagrams between two network namespaces, over a wire that loses some: what was sent is what was
# received and what the firewall has counted.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

here=ringline-$$-a
there=ringline-$$-b
group=$top_builddir/tests/integration/group
receiver=

end_all() {
	[ -z "$receiver" ] || kill -KILL "$receiver" 2>/dev/null || true
	ip netns del "$here" 2>/dev/null || true
	ip netns del "$there" 2>/dev/null || true
	rm -rf "$tmp"
}
trap end_all EXIT

for tool in ip nft; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done
if ! ip netns add "$here" 2>/dev/null; then
	echo "1..0 # SKIP network namespaces cannot be made here"
	exit 0
fi

lay_wire() {
	ip netns add "$there"
	ip link add ra netns "$here" type veth peer name rb netns "$there"
	ip -n "$here" addr add 10.98.76.1/24 dev ra
	ip -n "$there" addr add 10.98.76.2/24 dev rb
	ip -n "$here" addr add fd98::1/64 dev ra nodad
	ip -n "$there" addr add fd98::2/64 dev rb nodad
	ip -n "$here" link set ra up
	ip -n "$there" link set rb up
	ip netns exec "$there" nft -f - <<-'END_OF_RULES'
	table inet ringline {
		counter lost { }
		chain input {
			type filter hook input priority 0;
			udp dport 5000 @th,64,24 != 0x656e64 numgen random mod 10 < 3 counter name lost drop
		}
	}
	END_OF_RULES
}

lost() {
	ip netns exec "$there" nft list counter inet ringline lost | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# crosses ENGINE BIND TO
crosses() {
	: >"$tmp/out"
	before=$(lost)
	RINGLINE_BACKEND=$1 ip netns exec "$there" "$group" receive "$2" "$3" rb >"$tmp/out" 2>"$tmp/err" &
	receiver=$!
	while ! grep -q ready "$tmp/out"; do
		kill -0 "$receiver" || { cat "$tmp/err"; return 1; }
		sleep 0.02   # for a process to start there is no event to wait for
	done
	RINGLINE_BACKEND=$1 ip netns exec "$here" "$group" send "$3" ra 5000
	wait "$receiver"
	receiver=
	cat "$tmp/out"
	received=$(sed -n 's/^received=\([0-9]*\) .*/\1/p' "$tmp/out")
	dropped=$(sed -n 's/.* dropped=//p' "$tmp/out")
	gone=$(($(lost) - before))
	echo "received $received, dropped $dropped, lost on the wire $gone"
	[ "$gone" -gt 0 ] && [ $((received + dropped + gone)) -eq 5000 ]
}

lay_wire
for engine in io_uring epoll; do
	check "$engine: a host" crosses "$engine" udp:0.0.0.0:5000 udp:10.98.76.2:5000
	check "$engine: a host, IPv6" crosses "$engine" 'udp:[::]:5000' 'udp:[fd98::2]:5000'
	check "$engine: a group" crosses "$engine" udp:0.0.0.0:5000 udp:239.9.8.7:5000
	check "$engine: a group, IPv6" crosses "$engine" 'udp:[::]:5000' 'udp:[ff15::9876]:5000'
done
finish
