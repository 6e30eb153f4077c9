# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the meta tests share: TAP, and where things are. To be sourced. A test run by hand, outside "make check", takes
# the current directory for the build directory.

: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$(pwd)}"
: "${CC:=cc}" "${CXX:=c++}" "${NM:=nm}" "${READELF:=readelf}" "${PKG_CONFIG:=pkg-config}"
: "${TMPDIR:=/tmp}"

tap_count=0
tap_failed=0

tmp=$(mktemp -d "$TMPDIR/ringline-meta.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# check CLAIM COMMAND [ARGUMENT...]: the claim holds if the command succeeds; what it printed explains a failure.
check() {
	tap_claim=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >"$tmp/tap-output" 2>&1; then
		echo "ok $tap_count $tap_claim"
	else
		echo "not ok $tap_count $tap_claim"
		sed 's/^/# /' "$tmp/tap-output"
		tap_failed=1
	fi
}

# refuse CLAIM COMMAND [ARGUMENT...]: the claim holds if the command fails. That is how a check shows that it can fail.
refuse() {
	tap_refused=$1
	shift
	check "$tap_refused" fails "$@"
}

fails() {
	if "$@"; then
		return 1
	fi
}

# claim FUNCTION ARGUMENT...: runs it in a shell of its own that ends with the first command that fails. Not as the condition of
# an "if": there the shell would go on. The caller has an end_processes; what was printed is in $tmp/said, and $claimed is 0 if it held.
claim() {
	set +e
	(
		set -e
		trap end_processes EXIT
		"$@"
	) >"$tmp/said" 2>&1
	claimed=$?
	set -e
}

# skip CLAIM REASON
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

# The last line of a test. What failed was said; an exit status would count as one more failure.
finish() {
	echo "1..$tap_count"
	exit 0
}

# A test that looks at what the linker made has nothing to look at in a sanitized build.
skip_all_if_sanitized() {
	if [ -n "${RLN_SANITIZERS:-}" ]; then
		echo "1..0 # SKIP a sanitized build is linked differently"
		exit 0
	fi
}
