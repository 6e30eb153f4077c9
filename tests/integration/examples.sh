#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The examples that are no servers, as a user would run them, on io_uring and on epoll.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

examples=$top_builddir/examples

# The CRC-32 of a file, from the trailer that gzip writes: little-endian, before the length.
crc_by_gzip() {
	gzip -c "$1" | tail -c 8 | od -A n -t x1 -N 4 | awk '{ print $4 $3 $2 $1 }'
}

sums_agree() {
	file=$top_srcdir/README.md
	[ "$("$examples/checksum" "$file")" = "$(crc_by_gzip "$file")  $file" ]
}

# More files than the pool has threads.
many_files() {
	mkdir -p "$tmp/many"
	for i in $(seq 100); do
		echo "$i" >"$tmp/many/$i"
	done
	"$examples/checksum" "$tmp"/many/* >"$tmp/sums" || return
	[ "$(sort -u "$tmp/sums" | wc -l)" -eq 100 ]
}

# One that is not there is told of, and the others are read all the same.
missing_file() {
	status=0
	"$examples/checksum" "$top_srcdir/NEWS" "$tmp/none" "$top_srcdir/README.md" >"$tmp/sums" 2>"$tmp/complaint" || status=$?
	cat "$tmp/complaint"
	[ "$status" -eq 1 ] && [ "$(wc -l <"$tmp/sums")" -eq 2 ] && grep -q "$tmp/none" "$tmp/complaint"
}

# There is a loopback everywhere. The watch waits for the signal as for the links.
links_and_signal() {
	: >"$tmp/links"   # what an earlier one said is not to be taken for what this one says
	"$examples/linkwatch" >"$tmp/links" &
	watch=$!
	until grep -q '^lo is ' "$tmp/links"; do
		kill -0 "$watch" || return 1
		sleep 0.02   # for what another process writes there is no event to wait for
	done
	kill -TERM "$watch"
	wait "$watch"
}

on_the_dot() {
	"$examples/wallclock" -i 1 -n 2 >"$tmp/times"
	cat "$tmp/times"
	[ "$(grep -c '^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]$' "$tmp/times")" -eq 2 ]
}

bad_options() {
	for command in "checksum" "linkwatch -x" "wallclock -i" "wallclock -i 0"; do
		status=0
		# shellcheck disable=SC2086 # the arguments are to be split
		"$examples"/$command 2>/dev/null || status=$?
		[ "$status" -eq 2 ] || { echo "$command: $status"; return 1; }
	done
}

engines=epoll
if "$top_builddir/tests/support/has-io_uring" >/dev/null; then
	engines="$engines io_uring"
fi
for engine in $engines; do
	RINGLINE_BACKEND=$engine
	export RINGLINE_BACKEND
	check "$engine: checksums are those of gzip" sums_agree
	check "$engine: a hundred files at once" many_files
	check "$engine: a missing file does not stop the others" missing_file
	check "$engine: links are told of until a signal comes" links_and_signal
	check "$engine: the clock is told on the dot" on_the_dot
done
check 'bad options end with 2' bad_options
finish
