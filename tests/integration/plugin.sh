#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A plugin that uses the library comes and goes a thousand times, and leaves nothing behind.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"
skip_all_if_sanitized

host=$top_builddir/tests/integration/plugin-host
plugin=$(cd "$top_builddir" && pwd)/tests/integration/.libs/plugin.so
LD_LIBRARY_PATH=$(cd "$top_builddir" && pwd)/lib/.libs
export LD_LIBRARY_PATH

# comes_and_goes ENGINE
comes_and_goes() {
	RINGLINE_BACKEND=$1 "$host" "$plugin" 1000 >"$tmp/left"
	cat "$tmp/left"
	grep -q '^rounds=1000 threads=0 fds=0 blocks=0 loaded=0$' "$tmp/left"
}

check "io_uring: nothing stays" comes_and_goes io_uring
check "epoll: nothing stays" comes_and_goes epoll
finish
