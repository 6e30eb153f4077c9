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

primes() {
	[ "$("$examples/pipeline" -w 1 100000)" = 9592 ] && [ "$("$examples/pipeline" -w 3 300000)" = 25997 ]
}

# Four servers answer and one is not there: the first three win, and nobody waits for the others.
first_three_win() {
	: >"$tmp/echoes"
	"$examples/echo" -l tcp:127.0.0.1:0 -l tcp:127.0.0.1:0 -l tcp:127.0.0.1:0 -l unix:@ringline-fanout-$$ -w 1 >"$tmp/echoes" &
	echoes=$!
	until [ "$(grep -c '^listening on' "$tmp/echoes")" -eq 4 ]; do
		kill -0 "$echoes" || return 1
		sleep 0.02
	done
	# shellcheck disable=SC2046 # one word per address
	"$examples/fanout" -t 60000 hello tcp:127.0.0.1:1 $(sed -n 's/^listening on //p' "$tmp/echoes") >"$tmp/answers" || return
	cat "$tmp/answers"
	kill -TERM "$echoes"
	wait "$echoes"
	[ "$(grep -c ': hello$' "$tmp/answers")" -eq 3 ]
}

# Too few answer within the time.
not_enough() {
	status=0
	"$examples/fanout" -t 200 hello tcp:127.0.0.1:1 >"$tmp/answers" || status=$?
	[ "$status" -eq 1 ] && [ ! -s "$tmp/answers" ]
}

bad_options() {
	for command in "checksum" "linkwatch -x" "wallclock -i" "wallclock -i 0" "pipeline" "fanout x"; do
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
	check "$engine: the primes are counted on one worker and on three" primes
	check "$engine: the first three answers win" first_three_win
	check "$engine: too few answers are told by the exit status" not_enough
	check "$engine: a hundred files at once" many_files
	check "$engine: a missing file does not stop the others" missing_file
	check "$engine: links are told of until a signal comes" links_and_signal
	check "$engine: the clock is told on the dot" on_the_dot
done
check 'bad options end with 2' bad_options
finish
