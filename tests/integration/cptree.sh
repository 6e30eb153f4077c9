#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/cptree on trees of all kinds: the copy is the same by what find(1), cksum(1) and getfattr(1) tell of both,
# what cannot be copied is told of, and one that is interrupted leaves no half of anything.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

LC_ALL=C
export LC_ALL
cptree=$top_builddir/examples/cptree
long=$(printf '%0255d' 0)

other=
faults=
# There are modes that do not let it be removed.
end_all() {
	[ -z "$faults" ] || { kill "$faults" && wait "$faults"; } || true
	chmod -R u+rwx "$tmp" 2>/dev/null || true
	rm -rf "$tmp" ${other:+"$other"}
}
trap end_all EXIT

# --- the trees ----------------------------------------------------------------------------------------------------------

make_small() {
	mkdir -p "$1/some" "$1/others/below" "$1/empty"
	seq 1000 | split -l 1 -a 3 - "$1/some/"
	seq 1001 2000 | split -l 1 -a 3 - "$1/others/below/"
}

make_wide() {
	mkdir -p "$1"
	(cd "$1" && seq -f 'entry-%g' 10000 | xargs touch)
}

# Two hundred levels, and a path four times as long as the kernel takes, put together from below. At the bottom is another
# name of what is at the top.
make_deep() {
	name=$(printf '%080d' 0)
	levels=$name
	for i in $(seq 39); do
		levels=$levels/$name
	done
	mkdir "$1"
	echo top >"$tmp/top"
	ln "$tmp/top" "$1/bottom"
	ln -s nowhere "$1/dangling"
	for i in $(seq 5); do
		mkdir -p "$tmp/piece/$levels"
		mv "$1" "$tmp/piece/$levels/below"
		mv "$tmp/piece" "$1"
	done
	mv "$tmp/top" "$1"
}

make_links() {
	mkdir -p "$1/a/b" "$1/c"
	echo one >"$1/a/one"
	ln "$1/a/one" "$1/a/same"
	ln "$1/a/one" "$1/a/b/same"
	ln "$1/a/one" "$1/c/same"
	for i in $(seq 200); do
		echo "$i" >"$1/a/b/$i"
		ln "$1/a/b/$i" "$1/c/$i"
	done
	: >"$tmp/outside"
	ln "$1/a/b/1" "$tmp/another-name"       # of which the copy knows nothing
	ln -s a/one "$1/link"
	ln -s . "$1/a/here"
	ln -s "$tmp" "$1/c/out"
	ln -s /nonexistent/dangling "$1/c/dangling"
	ln -P "$1/c/dangling" "$1/a/dangling"
}

make_names() {
	mkdir -p "$1/$long" "$1/ " "$1/-n"
	echo x >"$1/$long/$long"
	echo newline >"$1/a
b"
	echo bytes >"$1/$(printf '\377\376\200')"
	echo controls >"$1/$(printf '\033[31m\001')"
	echo star >"$1/*"
	echo dots >"$1/..."
	echo ours >"$1/.cptree-1-0"
}

make_modes() {
	mkdir -p "$1/files" "$1/directories"
	for mode in 0000 0001 0020 0400 0444 0644 0755 0777 1755 2755 4755 6755 7777; do
		echo "$mode" >"$1/files/$mode"
		chmod "$mode" "$1/files/$mode"
		mkdir "$1/directories/$mode"
		echo "$mode" >"$1/directories/$mode/file"
		chmod "$mode" "$1/directories/$mode"
	done
}

make_owners() {
	mkdir -p "$1/directory"
	echo x >"$1/directory/file"
	ln -s x "$1/link"
	chown -h 12345:54321 "$1/directory" "$1/directory/file" "$1/link"
	chmod 6755 "$1/directory/file"
}

make_times() {
	mkdir -p "$1/old/below"
	echo x >"$1/old/file"
	ln -s nowhere "$1/old/link"
	echo x >"$1/future"
	touch -h -d '2040-01-01 00:00:00.000000001' "$1/future"
	touch -h -d '1955-11-05 06:15:00.123456789' "$1/old/file" "$1/old/link" "$1/old/below"
	touch -h -d '1969-12-31 23:59:59.999999999 UTC' "$1/old" "$1"
}

make_xattrs() {
	mkdir -p "$1/directory"
	echo x >"$1/directory/file"
	setfattr -n user.empty "$1/directory"
	setfattr -n user.text -v 'some text' "$1/directory/file"
	setfattr -n user.binary -v 0x00ff000a "$1/directory/file"
	setfattr -n user.large -v "$(printf '%01000d' 0)" "$1/directory/file"
	if [ "$(id -u)" -eq 0 ]; then
		setfattr -n trusted.ours -v yes "$1/directory/file"
		ln -s file "$1/directory/link"
		setfattr -h -n trusted.ours -v link "$1/directory/link" || true
	fi
	chmod 0444 "$1/directory/file"
}

# --- what is the same -----------------------------------------------------------------------------------------------------

# tell TREE: a line for each name. Of a directory the size is the file system's business.
tell() (
	cd "$1"
	find . -type d -printf '%p %y %m %U:%G %T@\n' -o -printf '%p %y %m %U:%G %T@ %s %l\n' | sort
	find . -type f -execdir cksum {} + | sort
	find . ! -type d -links +1 -printf '%i %p\n' | sort -k 2 |
		awk '{ if (!($1 in first)) first[$1] = $2; print $2 " is " first[$1] }'
	if command -v getfattr >/dev/null; then
		find . -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>&1
	fi
)

# same TREE COPY. What there is to tell of the trees does not change.
same() {
	told=$tmp/told-$(basename "$1")
	[ -s "$told" ] || tell "$1" >"$told"
	tell "$2" >"$tmp/got"
	diff "$told" "$tmp/got" | cat -v | head -n 30
	cmp "$told" "$tmp/got"
}

# copies TREE: and there is nothing to complain about.
copies() {
	clear_away "$tmp/copy"
	"$cptree" "$tmp/$1" "$tmp/copy" 2>"$tmp/err" || { echo "status $?"; cat "$tmp/err"; return 1; }
	[ ! -s "$tmp/err" ] && same "$tmp/$1" "$tmp/copy"
}

clear_away() {
	[ ! -e "$1" ] || chmod -R u+rwx "$1"
	rm -rf "$1"
}

# ends STATUS COMMAND...
ends() {
	wanted=$1
	shift
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" || status=$?
	cat "$tmp/out" "$tmp/err"
	[ "$status" -eq "$wanted" ] || { echo "ended with $status"; return 1; }
}

# --- claims -----------------------------------------------------------------------------------------------------------------

large_file() {
	copies large && cmp "$tmp/large/file" "$tmp/copy/file" && [ ! -s "$tmp/copy/empty" ]
}

one_at_a_time() {
	clear_away "$tmp/copy"
	ends 0 "$cptree" -j 1 "$tmp/links" "$tmp/copy" && same "$tmp/links" "$tmp/copy"
}

# What the kernel cannot copy from one file to the other is read and written.
elsewhere() {
	ends 0 "$cptree" "$tmp/large" "$other/copy" && same "$tmp/large" "$other/copy" &&
		ends 0 "$cptree" "$tmp/links" "$other/links" && same "$tmp/links" "$other/links"
}

# The access times are those from before the copy, which reads everything.
access_times() {
	clear_away "$tmp/copy"
	tell "$tmp/times" >/dev/null      # has the directories read, which may change them
	(cd "$tmp/times" && find . -printf '%p %A@\n' | sort) >"$tmp/wanted"
	"$cptree" "$tmp/times" "$tmp/copy" || return
	(cd "$tmp/copy" && find . -printf '%p %A@\n' | sort) >"$tmp/got"
	diff "$tmp/wanted" "$tmp/got"
}

# What is there is replaced, but not what a link points at, nor other names of it; what is only there stays.
existing() {
	clear_away "$tmp/copy"
	mkdir -p "$tmp/copy/a/b" "$tmp/copy/more"
	seq 10000 >"$tmp/copy/a/one"
	chmod 0400 "$tmp/copy/a/one"
	ln "$tmp/copy/a/one" "$tmp/copy/c-one"
	echo outside >"$tmp/outside"
	ln -s "$tmp/outside" "$tmp/copy/a/same"
	ln -s elsewhere "$tmp/copy/link"
	ends 0 "$cptree" "$tmp/links" "$tmp/copy" || return
	[ "$(cat "$tmp/outside")" = outside ] && [ "$(wc -l <"$tmp/copy/c-one")" -eq 10000 ] || return
	rm "$tmp/copy/c-one"
	rmdir "$tmp/copy/more"
	touch -r "$tmp/links" "$tmp/copy"
	same "$tmp/links" "$tmp/copy" || return
	ends 0 "$cptree" "$tmp/links" "$tmp/copy" && same "$tmp/links" "$tmp/copy"
}

# A directory where a file is to be, and a link where a directory is to be: both stay, nothing goes through the link.
in_the_way() {
	clear_away "$tmp/copy"
	mkdir -p "$tmp/copy/link" "$tmp/elsewhere"
	ln -s "$tmp/elsewhere" "$tmp/copy/a"
	ends 1 "$cptree" "$tmp/links" "$tmp/copy" || return
	[ "$(wc -l <"$tmp/err")" -eq 2 ] && [ -z "$(ls "$tmp/elsewhere")" ] && [ -d "$tmp/copy/link" ] &&
		[ -h "$tmp/copy/a" ] && cmp "$tmp/links/c/200" "$tmp/copy/c/200" && no_temporaries
}

# no_temporaries [COPY]
no_temporaries() {
	[ -z "$(find "${1:-$tmp/copy}" -name '.cptree-*')" ]
}

# each_is_whole TREE COPY: what is there of a copy, if not all.
each_is_whole() {
	diff -rq --no-dereference "$1" "$2" | grep -v "^Only in $1[:/]" && return 1
	(cd "$1" && find . -type f -printf '%p %m %T@\n' | sort) >"$tmp/wanted"
	(cd "$2" && find . -type f -printf '%p %m %T@\n' | sort) >"$tmp/got"
	[ -z "$(comm -13 "$tmp/wanted" "$tmp/got")" ]
}

left_out() {
	clear_away "$tmp/copy"
	mkdir -p "$tmp/special"
	echo x >"$tmp/special/file"
	[ -p "$tmp/special/fifo" ] || mkfifo "$tmp/special/fifo"
	ends 1 "$cptree" "$tmp/special" "$tmp/copy" || return
	[ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q "^cptree: $tmp/special/fifo: " "$tmp/err" &&
		[ "$(ls "$tmp/copy")" = file ]
}

# As a user who may not read all that is his. He need not reach the place where it is, only what is below.
unreadable() {
	clear_away "$tmp/user"
	mkdir -p "$tmp/user/tree/closed" "$tmp/user/tree/open"
	echo x >"$tmp/user/tree/file"
	echo x >"$tmp/user/tree/open/secret"
	echo x >"$tmp/user/tree/closed/unseen"
	echo x >"$tmp/user/tree/open/set-id"
	chmod 0755 "$tmp/user"
	if [ -n "$as_user" ]; then
		chown -R 12345:12345 "$tmp/user"
		chown 0:0 "$tmp/user/tree/open/set-id"
	fi
	chmod 4755 "$tmp/user/tree/open/set-id"
	chmod 0000 "$tmp/user/tree/closed" "$tmp/user/tree/open/secret"
	ends 1 copy_as_user || return
	[ "$(wc -l <"$tmp/err")" -eq 2 ] && grep -q '^cptree: tree/open/secret: Permission denied$' "$tmp/err" &&
		grep -q '^cptree: tree/closed: Permission denied$' "$tmp/err" &&
		cmp "$tmp/user/tree/file" "$tmp/user/copy/file" && [ ! -e "$tmp/user/copy/open/secret" ] || return
	# The copy is the user's. Nobody else's program may become one that runs as him.
	[ -z "$as_user" ] || [ ! -u "$tmp/user/copy/open/set-id" ]
}

copy_as_user() (
	cd "$tmp/user"
	# shellcheck disable=SC2086 # several words, or none
	$as_user "$cptree" tree copy
)

into_itself() {
	clear_away "$tmp/copy"
	mkdir -p "$tmp/copy/a"
	echo x >"$tmp/copy/a/file"
	ends 1 "$cptree" "$tmp/copy" "$tmp/copy/a/b" && [ "$(cat "$tmp/copy/a/b/a/file")" = x ] || return
	ends 1 "$cptree" "$tmp/copy" "$tmp/copy"
}

# The copy is stopped in the middle, looked at, and interrupted.
interrupt() {
	clear_away "$tmp/copy"
	"$cptree" -j 8 "$tmp/slow" "$tmp/copy" 2>"$tmp/err" &
	copy=$!
	until [ -n "$(ls "$tmp/copy" 2>/dev/null)" ]; do
		kill -0 "$copy" || return 1
		sleep 0.01   # for what another process writes there is no event to wait for
	done
	kill -STOP "$copy"
	kill -INT "$copy"
	kill -CONT "$copy"
	status=0
	wait "$copy" || status=$?
	cat "$tmp/err"
	n=$(find "$tmp/copy" -type f | wc -l)
	echo "status $status, $n files"
	[ "$status" -eq 130 ] && [ "$n" -lt "$(find "$tmp/slow" -type f | wc -l)" ] && no_temporaries &&
		each_is_whole "$tmp/slow" "$tmp/copy"
}

# --- claims on a file system that fails when it is told to, and has no files without a name -------------------------------

start_faults() {
	[ -x "$top_builddir/tests/support/faultfs" ] || return
	mkdir -p "$tmp/faults"
	: >"$tmp/said"
	"$top_builddir/tests/support/faultfs" "$tmp/faults" >"$tmp/said" 2>&1 &
	faults=$!
	until [ -s "$tmp/said" ]; do
		kill -0 "$faults" || break
		sleep 0.02
	done
	grep -qx ready "$tmp/said" && return
	wait "$faults" || true
	faults=
	return 1
}

order() {
	echo "$*" >"$tmp/faults/.control"
}

temporary_names() {
	rm -rf "$tmp/faults/copy"
	ends 0 "$cptree" "$tmp/links" "$tmp/faults/copy" && same "$tmp/links" "$tmp/faults/copy" &&
		ends 0 "$cptree" "$tmp/links" "$tmp/faults/copy" && same "$tmp/links" "$tmp/faults/copy"
}

# some_fail OPERATION: three times, and three files are not there.
some_fail() {
	rm -rf "$tmp/faults/copy"
	order fail "$1" ENOSPC 3
	ends 1 "$cptree" "$tmp/slow/small" "$tmp/faults/copy" || return
	[ "$(grep -c '^cptree: .*: No space left on device$' "$tmp/err")" -eq 3 ] && [ "$(wc -l <"$tmp/err")" -eq 3 ] &&
		[ "$(find "$tmp/faults/copy" -type f | wc -l)" -eq 297 ] && no_temporaries "$tmp/faults/copy" &&
		each_is_whole "$tmp/slow/small" "$tmp/faults/copy"
}

no_space() {
	for operation in create write rename; do
		some_fail "$operation" || return
	done
}

# Interrupted while it writes.
interrupt_writes() {
	rm -rf "$tmp/faults/copy"
	order stall write
	"$cptree" -j 4 "$tmp/slow" "$tmp/faults/copy" 2>"$tmp/err" &
	copy=$!
	until [ "$(awk '$1 == "write" { print $3 }' "$tmp/faults/.counts")" -ge 4 ]; do
		kill -0 "$copy" || return 1
		sleep 0.01
	done
	kill -INT "$copy"
	order release write
	status=0
	wait "$copy" || status=$?
	cat "$tmp/err"
	[ "$status" -eq 130 ] && no_temporaries "$tmp/faults/copy" && each_is_whole "$tmp/slow" "$tmp/faults/copy"
}

progress() {
	clear_away "$tmp/copy"
	ends 0 "$cptree" -p "$tmp/large" "$tmp/copy" || return
	tail -n 1 "$tmp/err" | grep -q '^2 files, 64\.0 MiB, ' || return
	ends 0 "$cptree" -p -q "$tmp/large" "$tmp/copy" && [ ! -s "$tmp/err" ]
}

usage() {
	ends 2 "$cptree" && ends 2 "$cptree" a && ends 2 "$cptree" a b c && ends 2 "$cptree" -j 0 a b &&
		ends 2 "$cptree" -b none a b && ends 2 "$cptree" -x a b
}

nothing_there() {
	ends 1 "$cptree" "$tmp/none" "$tmp/copy-of-none" && [ ! -e "$tmp/copy-of-none" ] || return
	ends 1 "$cptree" "$tmp/links" "$tmp/none/copy" && ends 1 "$cptree" "$tmp/links/a/one" "$tmp/copy-of-none"
}

# --- run --------------------------------------------------------------------------------------------------------------------

# check_tree CLAIM TREE
check_tree() {
	if [ -e "$tmp/$2" ]; then
		check "$engine: $1" copies "$2"
	else
		skip "$engine: $1" "such a tree cannot be made here"
	fi
}

# check_faults CLAIM COMMAND
check_faults() {
	if [ -n "$faults" ]; then
		check "$engine: where all files have names: $1" "$2"
		order clear
	else
		skip "$engine: where all files have names: $1" "there is no faultfs"
	fi
}

make_small "$tmp/small"
make_wide "$tmp/wide"
make_deep "$tmp/deep"
make_links "$tmp/links"
make_names "$tmp/names"
make_times "$tmp/times"
mkdir "$tmp/large"
head -c 67108864 /dev/urandom >"$tmp/large/file"
: >"$tmp/large/empty"
mkdir -p "$tmp/slow/small"
seq 300 | split -l 1 -a 3 - "$tmp/slow/small/"
for i in $(seq 16); do
	truncate -s 64M "$tmp/slow/$i"
done
: >"$tmp/probe"
if command -v setfattr >/dev/null && setfattr -n user.probe -v x "$tmp/probe"; then
	make_xattrs "$tmp/xattrs"
fi
as_user=
if [ "$(id -u)" -eq 0 ]; then
	as_user='setpriv --reuid 12345 --regid 12345 --clear-groups'
	# shellcheck disable=SC2086 # several words
	ends 2 $as_user "$cptree" >/dev/null || as_user=none       # he cannot come where it was built
	make_modes "$tmp/modes"
	make_owners "$tmp/owners"
fi

# Two file systems, if there are.
if [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d "$tmp")" ]; then
	other=$(mktemp -d /dev/shm/ringline-cptree.XXXXXX)
fi

start_faults || true

engines=epoll
if "$top_builddir/tests/support/has-io_uring" >/dev/null; then
	engines="$engines io_uring"
fi
for engine in $engines; do
	RINGLINE_BACKEND=$engine
	export RINGLINE_BACKEND
	check_tree 'two thousand files' small
	check_tree 'ten thousand in one directory' wide
	check_tree 'two hundred levels' deep
	check_tree 'hard and symbolic links' links
	check_tree 'odd names' names
	check_tree 'all kinds of permissions' modes
	check_tree 'owners' owners
	check_tree 'times, old and exact' times
	check_tree 'extended attributes' xattrs
	check "$engine: a large file" large_file
	check "$engine: one at a time" one_at_a_time
	if [ -n "$other" ]; then
		check "$engine: to another file system" elsewhere
		rm -rf "$other/copy" "$other/links"
	else
		skip "$engine: to another file system" "there is no second one"
	fi
	check "$engine: access times" access_times
	check "$engine: what is there is replaced" existing
	check "$engine: what is in the way stays" in_the_way
	check "$engine: a FIFO is left out, and told of" left_out
	if [ "$as_user" != none ]; then
		check "$engine: what cannot be read does not stop the rest" unreadable
	else
		skip "$engine: what cannot be read does not stop the rest" "a user cannot run it here"
	fi
	check "$engine: a tree is not copied into itself" into_itself
	check "$engine: interrupted, it leaves whole files" interrupt
	check "$engine: progress is told" progress
	check "$engine: nothing to copy" nothing_there
	check_faults 'temporary names' temporary_names
	check_faults 'three files cannot be made, written, named' no_space
	check_faults 'interrupted while it writes' interrupt_writes
done
check 'bad options end with 2' usage
finish
