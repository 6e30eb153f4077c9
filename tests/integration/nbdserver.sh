#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/nbdserver under clients nobody here wrote, libnbd's tools, qemu's and fio, under one that breaks the protocol and
# ones that are killed (nbd-client.c), and through restarts.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

client=$top_builddir/tests/integration/nbd-client
server=
started=
end_processes() {
	for process in "$server" $started; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || true
	done
}
end_all() {
	end_processes
	rm -rf "$tmp"
}
trap end_all EXIT

held() {
	cat "$tmp/said"
	[ "$claimed" -eq 0 ]
}

# files: what is exported, made anew: "disk" has data and a hole, and "rom" is the same file, for reading.
files() {
	dd if=/dev/urandom of="$tmp/disk" bs=1048576 count=32 2>"$tmp/dd"
	truncate -s 40M "$tmp/disk"
	truncate -s 1M "$tmp/disk.short"
	cp "$tmp/disk" "$tmp/original"
}

# start ENGINE ARGUMENT...
start() {
	engine=$1
	shift
	: >"$tmp/out"
	"$top_builddir/examples/nbdserver" -b "$engine" --stats -l "unix:$tmp/socket" -l tcp:127.0.0.1:0 "$@" >"$tmp/out" 2>"$tmp/err" &
	server=$!
	while [ "$(grep -c '^listening on ' "$tmp/out")" -lt 2 ]; do
		kill -0 "$server" || { cat "$tmp/err"; return 1; }
		sleep 0.02   # for a process to start there is no event to wait for
	done
	port=$(sed -n 's/^listening on tcp:.*://p' "$tmp/out")
	tcp=nbd://127.0.0.1:$port
	unix=nbd+unix://
	socket="?socket=$tmp/socket"
}

# start_files ENGINE [ARGUMENT...]
start_files() {
	files
	start "$@" -e "disk=$tmp/disk" -r "rom=$tmp/disk" -e "short=$tmp/disk.short"
}

# stop: it must end by itself, and have run on the engine it was asked to.
stop() {
	kill -TERM "$server" && wait "$server" && server= && cat "$tmp/err" && grep -qx "engine=$engine" "$tmp/err"
}

# have TOOL...: false, and the reason in $missing
have() {
	for tool; do
		command -v "$tool" >"$tmp/which" || { missing="there is no $tool"; return 1; }
	done
}

# Clients that nobody here wrote

nbdinfo_tells() {
	start_files "$1"
	nbdinfo --list --json "$tcp" >"$tmp/info"
	cat "$tmp/info"
	[ "$(grep -c '"export-name"' "$tmp/info")" -eq 3 ]
	for word in '"can_multi_conn": true' '"can_fua": true' '"can_trim": true' '"can_zero": true' '"can_cache": true' \
		'"can_df": true' '"is_read_only": true' '"block_size_minimum": 1'; do
		grep -q "$word" "$tmp/info"
	done
	[ "$(nbdinfo --size "$unix/disk$socket")" -eq 41943040 ]
	nbdinfo --map "$unix/rom$socket" | grep -q 'hole,zero'
	[ "$(nbdinfo --size "$unix/$socket")" -eq 41943040 ]          # the default export
	nbdinfo --is readonly "$tcp/rom"
	fails nbdinfo "$tcp/nothing"
	stop
}

nbdcopy_both_ways() {
	start_files "$1"
	dd if=/dev/urandom of="$tmp/new" bs=1048576 count=40 2>"$tmp/dd"
	nbdcopy "$unix/rom$socket" "$tmp/copy"
	cmp "$tmp/copy" "$tmp/original"
	nbdcopy --flush "$tmp/new" "$tcp/disk"
	cmp "$tmp/disk" "$tmp/new"
	nbdcopy --synchronous "$tcp/disk" - | cmp - "$tmp/new"
	nbdcopy --connections=4 --requests=16 --request-size=8388608 "$unix/disk$socket" "$tmp/copy"
	cmp "$tmp/copy" "$tmp/new"
	nbdcopy "$tmp/original" "$unix/disk$socket"                   # with its hole
	cmp "$tmp/disk" "$tmp/original"
	stop
}

qemu_converts() {
	start_files "$1"
	qemu-img convert -f raw -O qcow2 "$unix/rom$socket" "$tmp/qcow"
	qemu-img compare -f qcow2 -F raw "$tmp/qcow" "$tcp/rom"
	dd if=/dev/zero of="$tmp/disk" bs=1048576 count=40 conv=notrunc 2>"$tmp/dd"
	qemu-img convert -n -f qcow2 -O raw "$tmp/qcow" "$tcp/disk"
	qemu-img compare -f raw -F raw "$tmp/original" "$unix/disk$socket"
	cmp "$tmp/disk" "$tmp/original"
	rm -f "$tmp/qcow"
	stop
}

qemu_io_finds_its_patterns() {
	start_files "$1"
	qemu-io -d unmap -f raw -c 'write -P 0xab 1M 2M' -c 'write -P 3 -f 4M 20M' -c 'aio_write -P 5 30M 64k' \
		-c 'aio_write -P 6 31M 3M' -c aio_flush -c 'write -z 5M 1M' -c 'write -z -u 7M 1M' -c 'discard 9M 1M' -c flush -c 'write -P 7 12345 54321' \
		"$tcp/disk" >"$tmp/qemu-io" 2>&1
	qemu-io -r -f raw -c 'read -P 0xab 1M 2M' -c 'read -P 3 4M 1M' -c 'read -P 0 5M 1M' -c 'read -P 3 6M 1M' \
		-c 'read -P 0 7M 1M' -c 'read -P 0 9M 1M' -c 'read -P 3 10M 14M' -c 'read -P 5 30M 64k' -c 'read -P 6 31M 3M' \
		-c 'read -P 7 12345 54321' "$unix/rom$socket" >>"$tmp/qemu-io" 2>&1
	cat "$tmp/qemu-io"
	fails grep -qi 'fail\|error\|verification' "$tmp/qemu-io"
	[ "$(grep -c '^read' "$tmp/qemu-io")" -eq 10 ]
	qemu-img map -f raw --output=json "$tcp/rom" >"$tmp/map"      # what was discarded takes no room
	cat "$tmp/map"
	grep '"start": 9437184, "length": 1048576,' "$tmp/map" | grep -q '"zero": true, "data": false'
	stop
}

fio_verifies() {
	start_files "$1"
	for uri in "$tcp/disk" "$unix/disk$socket"; do
		fio --name=verify --ioengine=nbd --uri="$uri" --size=40m --rw=randwrite --bsrange=4k-512k --bs_unaligned=1 --iodepth=32 \
			--verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 --output="$tmp/fio"
		grep -q 'err= 0' "$tmp/fio"
	done
	fio --name=mixed --ioengine=nbd --uri="$tcp/disk" --size=40m --rw=randrw --bs=16k --iodepth=16 --verify=crc32c \
		--verify_backlog=64 --verify_fatal=1 --fsync=50 --io_size=20m --output="$tmp/fio"
	grep -q 'err= 0' "$tmp/fio"
	stop
}

# Clients that die

# Storms that are killed while they write: what they were told to be written must be there, whole, for others to read.
killed_in_mid_request() {
	truncate -s 0 "$tmp/disk" && truncate -s 16M "$tmp/disk"
	start "$1" -e "disk=$tmp/disk"
	for round in 1 2 3 4 5 6; do
		pids=
		for base in 0 4194304 8388608; do
			"$client" "$tmp/socket" storm "$base" >"$tmp/log.$base" 2>"$tmp/log.err" &
			pids="$pids $!"
		done
		started=$pids
		sleep "0.$((round * 7 % 4 + 1))"
		for pid in $pids; do
			kill -KILL "$pid"
			wait "$pid" || true
		done
		started=
		if have nbdcopy; then
			nbdcopy "$tcp/disk" "$tmp/copy"
		else
			cp "$tmp/disk" "$tmp/copy"
		fi
		for base in 0 4194304 8388608; do
			"$client" verify "$tmp/copy" "$base" "$tmp/log.$base"
		done
		truncate -s 0 "$tmp/disk" && truncate -s 16M "$tmp/disk"
	done
	stop
	accepted=$(sed -n 's/^accepted=//p' "$tmp/err")
	[ "$accepted" -ge 18 ]
}

# A tool that is killed while it copies, again and again, beside one that must not notice.
killed_copies() {
	start_files "$1"
	nbdcopy --request-size=65536 "$tcp/rom" "$tmp/copy" &
	good=$!
	for round in 1 2 3 4 5 6 7 8 9 10; do
		nbdcopy "$unix/disk$socket" "$tmp/copy.killed" &
		pid=$!
		sleep "0.0$((round * 3 % 10))"
		kill -KILL "$pid" 2>"$tmp/kill" || true
		wait "$pid" || true
	done
	wait "$good"
	cmp "$tmp/copy" "$tmp/original"
	stop
}

# Clients that fetch nothing

# kib FIELD: of the server's memory
kib() {
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$server/status"
}

# What a client has under way is at most 4 MiB, and a connection's input 1 MiB, whatever it asks for.
hoards_are_bounded() {
	start_files "$1" -w 1
	"$client" "$tmp/socket" hoard 1          # and what comes with the first connection is there
	before=$(kib VmRSS)
	"$client" "$tmp/socket" hoard 12
	after=$(kib VmHWM)
	echo "$before KiB, then $after"
	stop
	if [ -z "${RLN_SANITIZERS:-}" ]; then
		[ $((after - before)) -le $((12 * 6 * 1024)) ]
	fi
}

# Who does not come to the point is sent away, however much he says; who has agreed on an export may be silent for as long.
dawdlers_are_sent_away() {
	start_files "$1" -t 1
	"$client" "$tmp/socket" dawdle
	"$client" "$port" dawdle
	stop
}

# Restarts

# What systemd-socket-activate starts: it keeps the socket, and changes servers when it is told to by a file.
write_keeper() {
	cat >"$tmp/serve" <<-'END_OF_SERVE'
		LISTEN_PID=$$ exec "$top_builddir/examples/nbdserver" -b "$engine" -l systemd:nbd -e "disk=$tmp/disk" >"$1" 2>&1
	END_OF_SERVE
	cat >"$tmp/keeper" <<-'END_OF_KEEPER'
		n=0
		old=
		replace() {
			[ -z "$old" ] || kill -TERM "$old"
			[ -z "$old" ] || wait "$old" || touch "$tmp/bad-end"
			old=$1
		}
		while [ ! -e "$tmp/end" ]; do
			n=$((n + 1))
			: >"$tmp/generation.$n"
			sh "$tmp/serve" "$tmp/generation.$n" &
			new=$!
			until grep -q '^listening' "$tmp/generation.$n"; do sleep 0.02; done
			replace "$new"
			echo "$n" >"$tmp/generation"
			until [ -e "$tmp/again" ] || [ -e "$tmp/end" ]; do sleep 0.02; done
			rm -f "$tmp/again"
		done
		replace ''
	END_OF_KEEPER
}

# Visitors come all the time while the server is changed four times: none is turned away.
restarted_under_load() {
	files
	engine=$1
	export engine tmp top_builddir
	rm -f "$tmp/end" "$tmp/enough" "$tmp/again" "$tmp/bad-end" "$tmp/activated" "$tmp"/generation*
	write_keeper
	systemd-socket-activate -l "$tmp/activated" --fdname=nbd -E engine -E tmp -E top_builddir -E PATH -E LD_LIBRARY_PATH -- \
		/bin/sh "$tmp/keeper" 2>"$tmp/activate" &
	started=$!
	until [ -S "$tmp/activated" ]; do sleep 0.02; done
	for visitor in 1 2 3; do
		"$client" "$tmp/activated" visit "$tmp/enough" >"$tmp/visitor.$visitor" 2>&1 &
		started="$started $!"
	done
	for n in 1 2 3 4 5; do
		until [ "$(cat "$tmp/generation" 2>"$tmp/none")" = "$n" ]; do
			kill -0 "${started%% *}"
			sleep 0.02
		done
		sleep 0.3        # of service by this one
		touch "$tmp/again"
	done
	touch "$tmp/enough"
	# shellcheck disable=SC2086 # a list
	set -- $started
	keeper=$1
	shift
	for visitor; do
		wait "$visitor"
	done
	touch "$tmp/end"
	wait "$keeper"
	started=
	cat "$tmp/visitor.1" "$tmp/visitor.2" "$tmp/visitor.3"
	[ ! -e "$tmp/bad-end" ]
	for visitor in 1 2 3; do
		grep -q ' turned_away=0$' "$tmp/visitor.$visitor"
	done
}

bad_options() {
	for bad in '' '-e /nonexistent' "-e a=$tmp/disk -e a=$tmp/disk" '-e /' "-e $tmp/disk -m many" "-e $tmp/disk -t 0" "-e $tmp/disk stray"; do
		status=0
		# shellcheck disable=SC2086 # options to be split
		"$top_builddir/examples/nbdserver" $bad >"$tmp/out2" 2>"$tmp/err2" || status=$?
		[ "$status" -eq 2 ] || { echo "$bad: status $status"; return 1; }
		[ -s "$tmp/err2" ]
	done
}

# try CLAIM FUNCTION TOOL...: unless a tool is missing
try() {
	claim="$engine_under_test: $1"
	function=$2
	shift 2
	if [ -n "$refused" ] && [ "$engine_under_test" = io_uring ]; then
		skip "$claim" "$refused"
	elif have "$@"; then
		claim "$function" "$engine_under_test"
		check "$claim" held
	else
		skip "$claim" "$missing"
	fi
}

try_all() {
	engine_under_test=$1
	try 'nbdinfo tells' nbdinfo_tells nbdinfo
	try 'nbdcopy both ways' nbdcopy_both_ways nbdcopy
	try 'qemu-img converts and compares' qemu_converts qemu-img
	try 'qemu-io finds its patterns' qemu_io_finds_its_patterns qemu-io
	try 'clients killed in mid-request' killed_in_mid_request "$client"
	try 'copies killed' killed_copies nbdcopy
	try 'hoards are bounded' hoards_are_bounded "$client"
	try 'dawdlers are sent away' dawdlers_are_sent_away "$client"
	try 'restarted under load' restarted_under_load systemd-socket-activate
	if fio --enghelp 2>/dev/null | grep -q '[[:space:]]nbd$'; then
		try 'fio verifies' fio_verifies fio
	else
		skip "$engine_under_test: fio verifies" 'there is no fio with an nbd engine'
	fi
}

# What a bad client does is all done to one server: what one case has done must not be seen by the next.
refused=$("$top_builddir/tests/support/has-io_uring") || true
claim bad_options
check 'bad options are refused' held
for engine in io_uring epoll; do
	try_all "$engine"
	if [ -n "$refused" ] && [ "$engine" = io_uring ]; then
		skip "$engine: what clients do wrong" "$refused"
		continue
	fi
	start_files "$engine"
	for name in $("$client" list); do
		check "$engine: $name, unix" timeout 60 "$client" "$tmp/socket" case "$name" "$tmp/disk"
		check "$engine: $name, tcp" timeout 60 "$client" "$port" case "$name" "$tmp/disk"
	done
	check "$engine: ends after all that" stop
done
finish
