#!/bin/sh
# SPDX-License-Identifier: MIT
#
# NVMe commands on a device that qemu emulates, under a kernel that has the driver: the cases of tests/conformance/test-nvme
# that need one, on each engine, and the unit tests of the second ring.
#
# The kernel is that of RINGLINE_TEST_KERNEL, a directory with boot/vmlinuz-VERSION and lib/modules/VERSION, for instance what
# "dpkg -x linux-image-VERSION-amd64.deb DIRECTORY" makes of a Debian kernel; else one that is installed. It is not this
# machine's business: nothing is loaded or mounted here. qemu interprets, so no KVM is needed, and it takes a minute.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"
skip_all_if_sanitized

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

[ "$(uname -m)" = x86_64 ] || skip_all 'this is not x86_64'
for tool in qemu-system-x86_64 cpio depmod modprobe insmod dash ldd; do
	command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || skip_all "there is no $tool"
done
PATH=$PATH:/usr/sbin:/sbin

built=$(cd "$top_builddir" && pwd)
source=$(cd "$top_srcdir" && pwd)
program=$built/tests/conformance/.libs/test-nvme
[ -x "$program" ] || program=$built/tests/conformance/test-nvme
[ -x "$program" ] || skip_all 'tests/conformance/test-nvme is not built (make check-conformance)'
unit=$built/tests/unit/test-uring-nvme
LD_LIBRARY_PATH=$built/lib/.libs
export LD_LIBRARY_PATH

# A kernel whose modules are there: its version.
find_kernel() {
	for image in "$kernel"/boot/vmlinuz-*; do
		version=${image##*/vmlinuz-}
		if [ -r "$image" ] && find "$kernel/lib/modules/$version" -name 'nvme.ko*' 2>/dev/null | grep -q .; then
			return
		fi
	done
	skip_all "there is no kernel with an NVMe driver in ${kernel:-/} (RINGLINE_TEST_KERNEL)"
}

kernel=${RINGLINE_TEST_KERNEL:-}
find_kernel

root=$tmp/root
guest=

end_all() {
	[ -z "$guest" ] || kill -KILL "$guest" 2>/dev/null || true
	rm -rf "$tmp"
}
trap end_all EXIT

# put FILE AS: a file and the libraries it needs.
put() {
	mkdir -p "$root/$(dirname "$2")"
	cp "$1" "$root/$2"
	ldd "$1" 2>/dev/null | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | while read -r library; do
		case $library in
		/lib64/*) to=$library ;;
		*) to=/lib/${library##*/} ;;
		esac
		mkdir -p "$root/$(dirname "$to")"
		cp -L "$library" "$root/$to"
	done
}

# The driver and what it needs, in the order of loading.
put_modules() {
	mkdir -p "$tmp/kernel/lib/modules" "$root/modules"
	cp -r "$kernel/lib/modules/$version" "$tmp/kernel/lib/modules/"
	depmod -b "$tmp/kernel" "$version"
	modprobe -d "$tmp/kernel" -S "$version" --show-depends nvme | sed -n 's/^insmod \([^ ]*\).*/\1/p' >"$tmp/modules"
	while read -r module; do
		cp "$module" "$root/modules/"
		echo "insmod /modules/${module##*/}"
	done <"$tmp/modules"
	rm -rf "$tmp/kernel"
}

put_init() {
	{
		echo '#!/bin/dash'
		echo 'export PATH=/bin LD_LIBRARY_PATH=/lib G_TEST_SRCDIR=/source/tests G_DEBUG=fatal-warnings TMPDIR=/tmp'
		echo 'export RINGLINE_TEST_NVME=/dev/ng0n1'
		echo 'mount -t devtmpfs none /dev; mount -t proc none /proc; mount -t sysfs none /sys; mount -t tmpfs none /tmp'
		put_modules
		echo 'until [ -c /dev/ng0n1 ] && [ -c /dev/nvme0 ]; do sleep 0.1; done; cd /tmp'
		for engine in io_uring tiny epoll; do
			echo "echo '=== $engine'; RINGLINE_TEST_ENGINE=$engine test-nvme -p /nvme/device; echo \"=== ended \$?\""
		done
		[ ! -x "$unit" ] || echo "echo '=== unit'; test-uring-nvme; echo \"=== ended \$?\""
		echo 'echo o >/proc/sysrq-trigger; sleep 100'
	} >"$root/init"
	chmod 755 "$root/init"
}

put_all() {
	mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/source/tests" "$root/source/doc/man"
	cp "$source/doc/man/ringline-files.7" "$root/source/doc/man/"
	for tool in dash mount sleep insmod; do
		put "$(command -v "$tool")" "bin/$tool"
	done
	put "$program" bin/test-nvme
	[ ! -x "$unit" ] || put "$unit" bin/test-uring-nvme
	put_init
	(cd "$root" && find . | cpio --quiet -o -H newc) >"$tmp/initrd"
}

# The machine has ended by itself.
run_guest() {
	truncate -s 64M "$tmp/disk"
	qemu-system-x86_64 -machine q35,accel=tcg -cpu max -smp 2 -m 512 -nographic -no-reboot -nodefaults -serial stdio \
		-kernel "$kernel/boot/vmlinuz-$version" -initrd "$tmp/initrd" -append 'console=ttyS0 quiet panic=-1' \
		-drive "if=none,format=raw,id=disk,file=$tmp/disk" -device nvme,drive=disk,serial=ringline \
		</dev/null >"$tmp/raw" 2>&1 &
	guest=$!
	wait "$guest"
	guest=
	tr -d '\r' <"$tmp/raw" >"$tmp/out"
	cat "$tmp/out"
	grep -q '^=== ended' "$tmp/out"
}

# part NAME: what the guest said in one of its parts.
part() {
	awk -v name="=== $1" '$0 == name { inside = 1; next } /^=== ended/ { if (inside) print; inside = 0 } inside' "$tmp/out"
}

ended_well() {
	part "$1"
	part "$1" | grep -q '^=== ended 0$'
}

case_passed() {
	part "$1" | grep -q "^ok [0-9]* $2\$"
}

check 'a machine to boot' put_all
check "$version boots with an emulated device, and ends" run_guest
for name in io_uring tiny epoll unit; do
	[ "$name" != unit ] || [ -x "$unit" ] || continue
	check "$name: the program ends well" ended_well "$name"
	part "$name" | sed -n 's/^\(not \)\{0,1\}ok [0-9]* \(\/[^ ]*\).*/\2/p' >"$tmp/cases"
	while read -r case; do
		reason=$(part "$name" | sed -n "s,^ok [0-9]* $case # SKIP *,,p")
		if [ -n "$reason" ]; then
			skip "$name: $case" "$reason"
		else
			check "$name: $case" case_passed "$name" "$case"
		fi
	done <"$tmp/cases"
done
finish
