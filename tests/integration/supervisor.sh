#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/supervisor with units that do what no good unit does (hostile-child.c). Each case has a supervisor of its own, and ends
# with it: it must have left no process, no zombie, no cgroup, and nothing of the library's under way.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

supervisor=$top_builddir/examples/supervisor
server=
reader=
group=

end_processes() {
	for process in "$server" "$reader"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || true
	done
	for process in $(left); do
		kill -KILL "$process" 2>/dev/null || true
	done
}

end_all() {
	end_processes
	[ -z "$group" ] || find "$group" -depth -type d -exec rmdir {} +
	rm -rf "$tmp"
}
trap end_all EXIT

held() {
	[ "$claimed" -eq 0 ] || { cat "$tmp/said"; tail -40 "$tmp/log"; cat "$tmp/err"; }
	[ "$claimed" -eq 0 ]
}

# left: the processes of all units there were, by the file they execute
left() {
	find /proc/[0-9]*/exe -maxdepth 0 -lname "$tmp/hostile" 2>/dev/null | sed 's,^/proc/\([0-9]*\)/exe$,\1,'
}

# until COMMAND...: there is no event for a shell to wait for. What has not come after 30 seconds does not come.
until_true() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 1500 ] || { echo "not so: $*"; return 1; }
		[ -z "$server" ] || kill -0 "$server" || { echo "the supervisor has ended"; return 1; }
		sleep 0.02
	done
}

# logged PATTERN [NUMBER]: as often at least
logged() {
	count=$(grep -c "$1" "$tmp/log") || true
	[ "$count" -ge "${2:-1}" ]
}

wait_for() {
	until_true logged "$@"
}

# unit NAME LINE...: its file
unit() {
	file=$tmp/units/$1.unit
	shift
	: >"$file"
	for line; do
		echo "$line" >>"$file"
	done
}

fresh() {
	rm -rf "$tmp/units" "$tmp/run" "$tmp/log" "$tmp/out" "$tmp/err"
	mkdir "$tmp/units"
	: >"$tmp/log"
	[ -z "$group" ] || find "$group" -mindepth 1 -type d -exec rmdir {} +   # what a case that failed has left
}

# start [ARGUMENT...]: on the engine, and with cgroups if they are to be had
start() {
	: >"$tmp/out"
	"$supervisor" -b "$engine" --stats -l "unix:$tmp/control" -d "$tmp/units" -r "$tmp/run" -o "$tmp/log" ${group:+-g "$group"} "$@" \
		>"$tmp/out" 2>"$tmp/err" &
	server=$!
	until_true grep -q '^listening on ' "$tmp/out"
}

control() {
	"$supervisor" --control "$tmp/control" "$@"
}

# status NAME: as above, for what is asked again and again
status() {
	"$tmp/hostile" tell "$tmp/control" "status $1" >"$tmp/status"
}

# is NAME STATE
is() {
	status "$1"
	grep -q "^$1 *$2 " "$tmp/status"
}

unknown() {
	status "$1"
	grep -qx 'error: no such unit' "$tmp/status"
}

# pid NAME: of its main process
pid() {
	status "$1"
	sed -n "s/^$1 .* pid=\([0-9]*\) .*/\1/p" "$tmp/status"
}

zombies() {
	cat /proc/[0-9]*/stat 2>/dev/null | grep ") Z $server "
}

no_zombies() {
	[ -z "$(zombies)" ]
}

# It must end by itself, all that it had with it, on the engine it was asked for.
stop() {
	until_true no_zombies
	kill -TERM "$server"
	wait "$server"
	server=
	nothing_left
}

counter() {
	sed -n "s/^$1=//p" "$tmp/err"
}

nothing_left() {
	cat "$tmp/err"
	[ -z "$(left)" ] || { echo "left: $(left)"; return 1; }
	[ -z "$group" ] || [ -z "$(find "$group" -mindepth 1 -type d)" ]
	[ ! -e "$tmp/control" ]
	[ -z "$(find "$tmp/run" -mindepth 1)" ]
	grep -qx "engine=$engine" "$tmp/err"
	[ "$(counter connections)" -eq 0 ]
	[ "$(counter processes)" -eq 0 ]
	[ "$(counter processes_lost)" -eq 0 ]
	[ "$(counter tasks_started)" -eq "$(counter tasks_ended)" ]
	[ "$(counter operations_submitted)" -eq "$(counter operations_ended)" ]
}

# Ends of life

deaf() {
	fresh
	unit deaf "exec=$tmp/hostile deaf" stop_timeout=200ms
	start
	wait_for '^deaf\[[0-9]*\]: deaf '
	until_true two_left
	control stop deaf
	is deaf stopped
	grep -q 'deaf: does not end: killed' "$tmp/log"
	[ -z "$(left)" ]
	control start deaf
	wait_for '^deaf\[[0-9]*\]: deaf ' 2
	stop
}

two_left() {
	[ "$(left | wc -l)" -eq 2 ]
}

# What it leaves behind lives, is the supervisor's child, and heard, until it is stopped; beyond the reach of a process group, until
# the supervisor ends.
daemon() {
	fresh
	unit daemon "exec=$tmp/hostile daemon"
	start
	wait_for '^daemon\[[0-9]*\]: daemon '
	wait_for 'daemon: exited with 0'
	is daemon exited
	stray=$(sed -n 's/^daemon\[[0-9]*\]: daemon //p' "$tmp/log")
	until_true grep -qx "PPid:[[:space:]]*$server" "/proc/$stray/status"
	until_true no_zombies
	[ "$(left)" = "$stray" ]
	control stop daemon
	[ -z "$group" ] || [ -z "$(left)" ]
	[ -n "$group" ] || [ "$(left)" = "$stray" ]
	until_true no_zombies
	stop
}

quick() {
	fresh
	unit quick "exec=$tmp/hostile quick 3" restart=on-failure restart_delay=20ms restart_delay_max=100ms 'start_limit=6 60s'
	unit good "exec=$tmp/hostile quick 0" restart=on-failure
	start
	wait_for 'quick: has started too often'
	is quick failed
	grep -q '^quick .*restarts=5' "$tmp/status"
	grep -q '^last: starts too often$' "$tmp/status"
	[ "$(grep -c 'quick: started' "$tmp/log")" -eq 6 ]
	[ "$(grep -c 'quick: exited with 3' "$tmp/log")" -eq 6 ]
	[ "$(sed -n 's/.* quick: restarts in //p' "$tmp/log" | tr '\n' ' ')" = '20 ms 40 ms 80 ms 100 ms 100 ms 100 ms ' ]
	until_true is good exited
	grep -q 'restarts=0' "$tmp/status"
	[ "$(grep -c 'good: started' "$tmp/log")" -eq 1 ]
	control start quick
	wait_for 'quick: has started too often' 2
	stop
}

storm() {
	fresh
	unit storm "exec=$tmp/hostile storm" user=nobody 'limit=nproc 60' stop_timeout=100ms
	start
	wait_for '^storm\[[0-9]*\]: storm of '
	grep -q 'storm of [0-9]*: Resource temporarily unavailable' "$tmp/log"
	[ "$(left | wc -l)" -gt 20 ]
	control stop storm
	[ -z "$(left)" ]
	control start storm
	wait_for '^storm\[[0-9]*\]: storm of ' 2
	stop
}

crash() {
	fresh
	unit crash "exec=$tmp/hostile crash" restart=on-failure restart_delay=10ms 'start_limit=3 60s'
	start
	wait_for 'crash: has started too often'
	[ "$(grep -c 'crash: was killed by signal 6' "$tmp/log")" -eq 3 ]
	stop
}

# Output

# kib FIELD: of the server's memory
kib() {
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$server/status"
}

# Another unit is heard all the while, memory does not grow, and everything can be stopped. The log is a pipe, of which only the other
# one's lines are kept.
flood() {
	fresh
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	grep --line-buffered -v '^flood' <"$tmp/fifo" >"$tmp/log" &
	reader=$!
	unit flood "exec=$tmp/hostile flood" start=manual
	unit tick 'exec=/bin/sh -c "while :; do echo tick; sleep 0.02; done"'
	start -o "$tmp/fifo"
	wait_for '^tick\[[0-9]*\]: tick$' 5
	before=$(kib VmRSS)
	control start flood
	wait_for '^tick\[[0-9]*\]: tick$' 55
	control restart flood
	wait_for '^tick\[[0-9]*\]: tick$' 75
	after=$(kib VmHWM)
	control stop flood
	[ -z "$(left)" ]
	echo "$before KiB, then $after"
	[ -n "${RLN_SANITIZERS:-}" ] || [ $((after - before)) -lt 4096 ]
	control start flood
	stop
	wait "$reader"
	reader=
}

mute() {
	fresh
	unit mute "exec=$tmp/hostile mute"
	start
	wait_for '^mute\[[0-9]*\]: mute soon$'
	is mute running
	process=$(pid mute)
	until_true closed_output "$process"
	is mute running
	control stop mute
	[ -z "$(left)" ]
	stop
}

closed_output() {
	[ ! -e "/proc/$1/fd/1" ]
}

litter() {
	fresh
	unit litter "exec=$tmp/hostile litter"
	start
	wait_for 'litter: exited with 0'
	until_true is litter exited
	wait_for 'last, and no newline$'
	sed -n 's/^litter\[[0-9]*\]: //p' "$tmp/log" | sed 's/l\{2048\}/LONG/' >"$tmp/lines"
	printf '%s\n' 'half a line' 'a?b?c' 'LONG [97952 bytes more]' '' 'last, and no newline' | diff - "$tmp/lines"
	stop
}

# What is said

forged() {
	fresh
	unit patient "exec=$tmp/hostile self" notify=yes start_timeout=5min
	start
	wait_for '^patient\[[0-9]*\]: end$'
	[ "$("$tmp/hostile" forge "$tmp/run/patient.notify")" = sent ]
	wait_for 'patient: refused what process [0-9]* says: it is not of the unit'
	is patient starting
	fails grep -q forged "$tmp/status"
	[ "$(as_nobody "$tmp/hostile" forge "$tmp/run/patient.notify")" = 'Permission denied' ]
	stop
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

thief() {
	fresh
	unit thief "exec=$tmp/hostile thief" notify=yes
	start
	wait_for 'thief: ready'
	[ "$(grep -c 'thief: refused .*MAINPID' "$tmp/log")" -ge 2 ]
	is thief running
	grep -q '"stole nothing"' "$tmp/status"
	[ "$(pid thief)" = "$(left)" ]
	stop
}

babble() {
	fresh
	unit babble "exec=$tmp/hostile babble" notify=yes
	unit tick 'exec=/bin/sh -c "while :; do echo tick; sleep 0.02; done"'
	start
	wait_for 'babble: ready'
	wait_for 'babble: refused .*(64 times)'
	seen=$(grep -c '^tick' "$tmp/log") || true
	wait_for '^tick\[[0-9]*\]: tick$' $((seen + 20))
	is babble running
	[ "$(grep -c 'babble: refused' "$tmp/log")" -lt 40 ]
	left | grep -qx "$(pid babble)"
	control restart babble
	control stop babble
	[ -z "$(left)" ]
	stop
}

changeling() {
	fresh
	unit changeling "exec=$tmp/hostile changeling" notify=yes
	start
	wait_for 'changeling: ready'
	until_true is changeling running
	process=$(pid changeling)
	until_true alone "$process"
	until_true no_zombies
	is changeling running
	kill -KILL "$process"
	wait_for 'changeling: was killed by signal 9'
	is changeling failed
	control start changeling
	until_true is changeling running
	control stop changeling
	[ -z "$(left)" ]
	stop
}

alone() {
	[ "$(left)" = "$1" ]
}

watchdog() {
	fresh
	unit watched "exec=$tmp/hostile dead-watchdog" notify=yes watchdog=200ms restart=on-failure restart_delay=10ms 'start_limit=2 60s'
	unit late "exec=$tmp/hostile mute" notify=yes start_timeout=100ms
	start
	wait_for 'watched: has started too often'
	[ "$(grep -c 'watched: ready' "$tmp/log")" -eq 2 ]
	[ "$(grep -c 'watched: did not say in time that it is alive' "$tmp/log")" -eq 2 ]
	wait_for 'late: was not ready in time'
	until_true is late failed
	[ -z "$(left)" ]
	stop
}

after() {
	fresh
	unit first "exec=/bin/sh -c 'while [ ! -e $tmp/go ]; do sleep 0.02; done; exec $tmp/hostile thief'" notify=yes
	unit second "exec=$tmp/hostile mute" after=first
	unit third "exec=$tmp/hostile mute" 'after=second nobody-there'
	rm -f "$tmp/go"
	start
	until_true is second waiting
	is third waiting
	touch "$tmp/go"
	wait_for 'third: started'
	grep -E 'first: ready|second: started|third: started' "$tmp/log" | sed 's/^supervisor: \([a-z]*: [a-z]*\).*/\1/' >"$tmp/lines"
	printf '%s\n' 'first: ready' 'second: started' 'third: started' | diff - "$tmp/lines"
	stop
}

# Sockets

# Each answer ends the process, and nobody is turned away.
restarted() {
	fresh
	unit serve "exec=$tmp/hostile slow-server" "listen=door unix:$tmp/door" restart=always restart_delay=10ms \
		restart_delay_max=10ms start_limit=0
	start
	[ "$("$tmp/hostile" ask "$tmp/door" 20)" = '20 of 20' ]
	grep -q '^serve\[[0-9]*\]: serves door of 1$' "$tmp/log"
	control stop serve
	"$tmp/hostile" ask "$tmp/door" 1 >"$tmp/asked" &
	asker=$!
	control start serve
	wait "$asker"
	grep -qx '1 of 1' "$tmp/asked"
	stop
	[ ! -e "$tmp/door" ]
}

on_demand() {
	fresh
	unit lazy "exec=$tmp/hostile serve" "listen=unix:$tmp/door" listen=tcp:127.0.0.1:0 start=on-demand
	start
	until_true is lazy listening
	grep -q '^listens on tcp:127.0.0.1:[1-9]' "$tmp/status"
	[ -z "$(left)" ]
	[ "$("$tmp/hostile" ask "$tmp/door" 3)" = '3 of 3' ]
	is lazy running
	[ "$(grep -c 'lazy: started' "$tmp/log")" -eq 1 ]
	control stop lazy
	is lazy stopped
	stop
}

# Who it is

identity() {
	fresh
	unit self "exec=$tmp/hostile self" user=nobody group=daemon capabilities=^cap_net_bind_service,!cap_sys_admin \
		no_new_privileges=yes 'limit=nofile 100:200' nice=5 directory=/usr 'environment=COLOUR="dark green" PATH=/bin' \
		watchdog=1min notify=yes start_timeout=5min
	export NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=9 WATCHDOG_PID=1 LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=x KEPT=kept
	start 9</dev/null
	wait_for '^self\[[0-9]*\]: end$'
	sed -n 's/^self\[[0-9]*\]: //p' "$tmp/log" | tr '\t' ' ' >"$tmp/self"
	cat "$tmp/self"
	daemon_group=$(getent group daemon | cut -d: -f3)
	for line in 'Uid: 65534 65534 65534 65534' "Gid: $daemon_group $daemon_group $daemon_group $daemon_group" 'CapAmb: 0000000000000400' \
		'NoNewPrivs: 1' 'SigBlk: 0000000000000000' 'SigIgn: 0000000000000000' 'nofile 100 200' 'nice 5' 'cwd /usr' \
		'env COLOUR=dark green' 'env PATH=/bin' 'env KEPT=kept' "env NOTIFY_SOCKET=$tmp/run/self.notify" 'env WATCHDOG_USEC=60000000'; do
		grep -qFx "$line" "$tmp/self" || { echo "missing: $line"; return 1; }
	done
	grep -qx 'Groups: *' "$tmp/self"
	grep -qFx "env WATCHDOG_PID=$(pid self)" "$tmp/self"
	fails grep -q 'env LISTEN_' "$tmp/self"
	[ "$(grep -c '^env PATH=' "$tmp/self")" -eq 1 ]
	[ $((0x$(sed -n 's/^CapBnd: //p' "$tmp/self") >> 21 & 1)) -eq 0 ]
	[ "$(grep '^fd ' "$tmp/self" | tr '\n' ' ')" = 'fd 0 fd 1 fd 2 ' ]
	stop
}

# Control

controlled() {
	fresh
	unit mute "exec=$tmp/hostile mute"
	start
	[ "$(as_nobody "$tmp/hostile" tell "$tmp/control" list)" = 'error: not allowed' ]
	[ "$(as_nobody "$tmp/hostile" tell "$tmp/control" shutdown)" = 'error: not allowed' ]
	wait_for 'refused to be controlled by user 65534'
	[ "$("$tmp/hostile" long-line "$tmp/control")" = 'error: the line is too long' ]
	for bad in '' nonsense 'start' 'list mute' 'start mute mute' 'reload x'; do
		"$tmp/hostile" tell "$tmp/control" "$bad" | grep -q '^error: list, status NAME'
	done
	fails control status nobody-there
	fails control start nobody-there
	until_true four_too_many
	until_true lists_mute
	control status mute | grep -q '^mute *running '
	control shutdown
	wait "$server"
	server=
	nothing_left
	start -a 65534
	as_nobody "$tmp/hostile" tell "$tmp/control" list | grep -q '^mute '
	stop
}

# Those before may not have been seen to leave yet.
four_too_many() {
	[ "$("$tmp/hostile" clients "$tmp/control" 20)" = '4 of 20' ]
}

lists_mute() {
	control list | grep -q '^mute *running '
}

reloaded() {
	fresh
	unit kept "exec=$tmp/hostile mute"
	unit dropped "exec=$tmp/hostile mute"
	unit changed "exec=$tmp/hostile serve" "listen=unix:$tmp/door"
	start
	until_true is changed running
	until_true is kept running
	kept=$(pid kept)
	changed=$(pid changed)
	rm "$tmp/units/dropped.unit"
	unit fresh "exec=$tmp/hostile mute"
	unit broken 'exec="no end'
	unit changed "exec=$tmp/hostile serve" "listen=unix:$tmp/door" nice=3
	"$tmp/hostile" ask "$tmp/door" 50 >"$tmp/asked" &
	asker=$!
	kill -HUP "$server"
	wait_for 'dropped: is gone'
	wait_for 'broken.unit:1: exec: a quote is not closed'
	until_true is fresh running
	until_true is changed running
	until_true unknown dropped
	wait_for 'changed: started' 2
	wait "$asker"
	grep -qx '50 of 50' "$tmp/asked"
	until_true is changed running
	[ "$(pid kept)" = "$kept" ]
	[ "$(pid changed)" != "$changed" ]
	rm "$tmp/units/fresh.unit"
	control reload
	until_true unknown fresh
	stop
}

# Two units of which none ends before the other one has been told to.
together() {
	fresh
	rm -f "$tmp/told.a" "$tmp/told.b"
	unit a "exec=/bin/sh -c 'trap \"touch $tmp/told.a; until [ -e $tmp/told.b ]; do sleep 0.02; done; exit 0\" TERM; echo up; while :; do sleep 0.02; done'" \
		stop_timeout=5min
	unit b "exec=/bin/sh -c 'trap \"touch $tmp/told.b; until [ -e $tmp/told.a ]; do sleep 0.02; done; exit 0\" TERM; echo up; while :; do sleep 0.02; done'" \
		stop_timeout=5min
	start
	wait_for '^a\[[0-9]*\]: up'
	wait_for '^b\[[0-9]*\]: up'
	stop
	fails grep -q killed "$tmp/log"
	[ "$(grep -c 'exited with 0' "$tmp/log")" -eq 2 ]
}

# A second signal waits for nobody; a cgroup may be left then.
hurried() {
	fresh
	unit deaf "exec=$tmp/hostile deaf" stop_timeout=60min
	start
	wait_for '^deaf\[[0-9]*\]: deaf '
	until_true two_left
	kill -TERM "$server"
	wait_for 'supervisor: ends'
	kill -TERM "$server"
	wait "$server"
	server=
	until_true none_left
}

none_left() {
	[ -z "$(left)" ]
}

# One that runs another one: what it tells its manager.
nested() {
	fresh
	rm -rf "$tmp/inner"
	mkdir "$tmp/inner"
	echo "exec=$tmp/hostile deaf" >"$tmp/inner/deaf.unit"
	echo stop_timeout=100ms >>"$tmp/inner/deaf.unit"
	unit inner "exec=$supervisor -b $engine -l unix:$tmp/inner/control -d $tmp/inner -r $tmp/inner/run" notify=yes
	start
	wait_for 'inner: ready'
	until_true inner_says '1 units: 1 running, 0 failed'
	wait_for '^inner\[[0-9]*\]: deaf\[[0-9]*\]: deaf '
	control stop inner
	wait_for '^inner\[[0-9]*\]: supervisor: ended$'
	wait_for 'supervisor: inner: exited with 0'
	[ -z "$(left)" ]
	stop
}

inner_says() {
	status inner
	grep -qF "\"$1\"" "$tmp/status"
}

# Files

bad_units() {
	fresh
	for bad in 'exec' 'exek=/bin/true' 'user=nobody-there' 'group=nobody-there' 'restart=perhaps' 'notify=maybe' 'nice=20' 'nice=x' \
		'limit=nofile' 'limit=nofile 2:1' 'limit=nofiles 1' 'limit=nofile 1 2' 'listen=web' 'listen=udp:127.0.0.1:1' 'stop_signal=9' \
		'stop_timeout=soon' 'stop_timeout=5h' 'start_limit=x' 'environment=X' 'environment=LISTEN_PID=1' 'directory=here' 'exec="x' \
		'exec=' 'start=never' 'watchdog=-1s'; do
		unit bad "$bad" 'exec=/bin/true'
		fails "$supervisor" check "$tmp/units" >"$tmp/said2" 2>&1
		grep -qF "$tmp/units/bad.unit:1: " "$tmp/said2" || { echo "not refused: $bad"; cat "$tmp/said2"; return 1; }
	done
	unit bad 'exec=/bin/true' 'exec=/bin/false'
	fails "$supervisor" check "$tmp/units" >"$tmp/said2" 2>&1
	grep -qF 'bad.unit:2: exec: given twice' "$tmp/said2"
	for bad in '# nothing' 'start=on-demand' 'watchdog=1s'; do
		unit bad "$bad"
		fails "$supervisor" check "$tmp/units" >"$tmp/said2" 2>&1
		grep -qF "$tmp/units/bad.unit: " "$tmp/said2"
	done
	unit bad 'exec=/bin/true' after=worse
	unit worse 'exec=/bin/true' after=bad
	fails "$supervisor" check "$tmp/units" >"$tmp/said2" 2>&1
	[ "$(grep -c 'it would wait for itself' "$tmp/said2")" -eq 2 ]
	# shellcheck disable=SC2016 # for the unit's shell
	unit odd 'exec=/bin/sh -c '"'"'echo "$0|$1|$2"'"'"' "a b" \"c d\" e\ f   # one'
	unit missing 'exec=/nonexistent'
	unit nosock 'exec=/bin/true' 'listen=unix:/nonexistent/x'
	unit "bad name" 'exec=/bin/true'
	start
	wait_for 'missing: cannot be started: exec: No such file'
	wait_for 'nosock: cannot listen on unix:/nonexistent/x: No such file'
	wait_for '^odd\[[0-9]*\]: a b|"c|d"$'
	grep -q 'the name: letters' "$tmp/log"
	until_true is missing failed
	is nosock failed
	stop
}

bad_options() {
	for bad in '' '-d /nonexistent' "-d $tmp/units -r /nonexistent/run" "-d $tmp/units -o /nonexistent/log" \
		"-d $tmp/units -g /nonexistent/group" "-d $tmp/units -a many" "-d $tmp/units stray"; do
		status=0
		# shellcheck disable=SC2086 # options to be split
		"$supervisor" $bad >"$tmp/out2" 2>"$tmp/err2" || status=$?
		[ "$status" -eq 2 ] || { echo "$bad: status $status"; return 1; }
		[ -s "$tmp/err2" ]
	done
}

# A cgroup of version 2 that units may have cgroups in, or nothing.
find_group() {
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	group=$mount/ringline-supervisor.$$
	if [ -z "$mount" ] || ! mkdir "$group" 2>/dev/null; then
		group=
	fi
}

# try CLAIM FUNCTION [root]
try() {
	claim="$engine, $kind: $1"
	if [ "${3:-}" = root ] && [ "$(id -u)" -ne 0 ]; then
		skip "$claim" 'takes root'
	elif [ "${3:-}" = root ] && ! command -v setpriv >"$tmp/which"; then
		skip "$claim" 'there is no setpriv'
	else
		claim "$2"
		check "$claim" held
	fi
}

# What depends on how a unit's processes are found.
try_trees() {
	try 'what does not listen is killed' deaf
	try 'what it leaves behind' daemon
	try 'a storm of forks' storm root
	try 'forged words are refused' forged root
	try 'it steals no process' thief
	try 'another process is the main one' changeling
	try 'a second signal waits for nobody' hurried
	try 'a watchdog and a start that takes too long' watchdog
}

try_all() {
	try_trees
	try 'what ends at once is not started for ever' quick
	try 'crashes are told' crash
	try 'a flood of output' flood
	try 'no output any more' mute
	try 'half lines, long lines, zeros' litter
	try 'a flood of words' babble
	try 'one after the other is ready' after
	try 'connections wait for a restart' restarted
	try 'started when somebody connects' on_demand
	try 'who and what a unit is' identity root
	try 'who may control it' controlled root
	try 'the directory is read again' reloaded
	try 'units are stopped together' together
	try 'a supervisor in a supervisor' nested
	try 'bad unit files' bad_units
}

chmod 711 "$tmp"
[ "$TMPDIR" = /tmp ] || chmod a+x "$TMPDIR" 2>/dev/null || true
cp "$top_builddir/tests/integration/hostile-child" "$tmp/hostile"
chmod 755 "$tmp/hostile"
find_group
refused=$("$top_builddir/tests/support/has-io_uring") || true
fresh
claim bad_options
check 'bad options are refused' held
for engine in io_uring epoll; do
	if [ -n "$refused" ] && [ "$engine" = io_uring ]; then
		skip "$engine: units" "$refused"
		continue
	fi
	if [ -n "$group" ]; then
		kind=cgroups
		try_all
		kept=$group
		group=
		kind='process groups'
		try_trees
		group=$kept
	else
		skip "$engine: units in cgroups" 'no cgroup can be made here'
		kind='process groups'
		try_all
	fi
done
finish
