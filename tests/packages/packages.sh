# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the tests of the packages share; to be sourced after tests/meta/tap.sh. A package is built from the release tarball
# in a directory of its own below packages/ of the build directory, where it stays to be looked at. Its files are unpacked
# to $tree and used there, so that nothing has to be installed.

version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/config.h")
tarball=$top_builddir/libringline-$version.tar.xz

# Both packages may be under construction at once.
jobs=$((($(nproc) + 1) / 2))

# start_in DIRECTORY: makes it afresh and sets $work and $tree.
start_in() {
	work=$top_builddir/packages/$1
	tree=$work/tree
	rm -rf "$work"
	mkdir -p "$tree"
}

# As a build machine would: nothing of the outer make, nothing of the developer.
in_clean_environment() {
	env -i PATH="$PATH" HOME="$tmp" TMPDIR="$tmp" LC_ALL=C.UTF-8 "$@"
}

# logged COMMAND [ARGUMENT...]: its output goes to $work/build.log; the tests that failed and its end explain a failure.
logged() {
	"$@" >>"$work/build.log" 2>&1 || {
		grep '^\(FAIL\|ERROR\|XPASS\): ' "$work/build.log"
		tail -n 30 "$work/build.log"
		return 1
	}
}

# The build ran "make check", and all that ran passed.
tests_ran() {
	grep '^# \(PASS\|SKIP\|XFAIL\|FAIL\|XPASS\|ERROR\): ' "$work/build.log" >"$tmp/counts"
	cat "$tmp/counts"
	grep -q '^# PASS: *[1-9][0-9][0-9]' "$tmp/counts" && fails grep '^# \(FAIL\|XPASS\|ERROR\): *[1-9]' "$tmp/counts"
}

# same_lines EXPECTED ACTUAL: two files, in any order.
same_lines() {
	LC_ALL=C sort "$1" >"$tmp/expected" && LC_ALL=C sort "$2" >"$tmp/actual" && diff -u "$tmp/expected" "$tmp/actual"
}

# The public headers as lines "DIRECTORY/NAME".
headers_in() {
	for header in "$top_srcdir"/include/ringline/*.h; do
		echo "$1/${header##*/}"
	done
}

# The library that was unpacked.
library() {
	find "$tree" -name 'libringline.so.0.*' ! -name '*.py'
}

# Every name that the dynamic linker can see is public, and there are some.
exports_public_names_only() {
	# shellcheck disable=SC2086 # nm may come with arguments
	$NM -D --defined-only "$(library)" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' >"$tmp/exports"
	[ -s "$tmp/exports" ] && fails grep -v '^ringline_' "$tmp/exports"
}

has_no_rpath() {
	"$READELF" -dW "$(library)" >"$tmp/dynamic" && fails grep -e RPATH -e RUNPATH "$tmp/dynamic"
}

is_hardened() {
	"$READELF" -dlW "$(library)" >"$tmp/dynamic" && cat "$tmp/dynamic" &&
		grep -q GNU_RELRO "$tmp/dynamic" && grep -q 'FLAGS.*BIND_NOW\|FLAGS.* NOW' "$tmp/dynamic"
}

# What a program needs in the environment to be built with, and run with, the files in $tree.
use_tree() {
	pc=$(find "$tree" -name ringline.pc)
	PKG_CONFIG_SYSROOT_DIR=$tree
	PKG_CONFIG_PATH=${pc%/*}
	library_path=$(library)
	LD_LIBRARY_PATH=${library_path%/*}
	export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH LD_LIBRARY_PATH
}

# builds PROGRAM SOURCE...: a program of ours, with the files in $tree.
builds() (
	use_tree
	program=$1
	shift
	# shellcheck disable=SC2046,SC2086 # pkg-config prints a list; the compiler may come with arguments
	$CC -Wall -Werror -o "$tmp/$program" "$@" $("$PKG_CONFIG" --cflags --libs ringline)
)

# runs PROGRAM [ARGUMENT...]
runs() (
	use_tree
	program=$1
	shift
	"$tmp/$program" "$@"
)

# What every package must do, whatever its format.
check_library() {
	check 'the library exports public names only' exports_public_names_only
	check 'the library has no path of the build in it' has_no_rpath
	check 'the library is read-only after loading' is_hardened
}

# check_use EXAMPLES-DIRECTORY
check_use() {
	check 'a program is built with the packaged files' builds round-trip "$top_srcdir/tests/packages/round-trip.c"
	check 'it runs on epoll' runs round-trip epoll
	if refused=$("$top_builddir/tests/support/has-io_uring"); then
		check 'it runs on io_uring' runs round-trip io_uring
	else
		skip 'it runs on io_uring' "$refused"
	fi
	check 'the packaged example of the documentation is built' builds daemon "$1/daemon.c"
	check 'the packaged echo daemon is built' builds echo "$1/echo.c" "$1/common.c"
}

# check_manual_pages DIRECTORY: each page there is has been packaged, compressed or not.
check_manual_pages() {
	pages=$(find "$top_srcdir/doc" -path '*/man/*.[37]')
	if [ -z "$pages" ]; then
		skip 'all manual pages are packaged' 'there are none yet'
		return
	fi
	check 'all manual pages are packaged' has_manual_pages "$1"
}

has_manual_pages() (
	missing=0
	for page in $pages; do
		name=${page##*/}
		if [ -z "$(find "$1/man${name##*.}" -name "$name*")" ]; then
			echo "$name"
			missing=1
		fi
	done
	return "$missing"
)
