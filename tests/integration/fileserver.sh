#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/fileserver under clients that nobody here wrote: curl, socat, wrk, ab, h2load, slowhttptest, varnishtest. The scripts
# of varnishtest lie in tests/integration/fileserver.
set -eu
# shellcheck source=tests/meta/tap.sh
. "$top_srcdir/tests/meta/tap.sh"

for tool in curl socat; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP there is no $tool"
		exit 0
	fi
done

program="$top_builddir/examples/fileserver"
root="$tmp/root"
server=
holder=
end_servers() {
	for process in "$server" "$holder"; do
		[ -z "$process" ] || kill -KILL "$process" 2>/dev/null || true
	done
}

# strict CLAIM COMMAND...: as check, but the first command that fails is the end of it, and the last that is told: check's
# stand in a condition, where the shell goes on.
strict() {
	strict_claim=$1
	shift
	strict_result=0
	(
		trap end_servers EXIT
		set -x
		"$@"
	) >"$tmp/strict" 2>&1 &
	wait "$!" || strict_result=$?
	check "$strict_claim" tell "$strict_result"
}

tell() {
	tail -n 30 "$tmp/strict"
	return "$1"
}

# What is served, and what must not be.
mkdir -p "$root/dir/sub" "$root/site" "$root/many" "$root/odd" "$tmp/outside"
for size in 0 1 1024 16384 16385 1048576 5000003; do
	head -c "$size" /dev/urandom >"$root/$size.bin"
done
printf 'hello, world\n' >"$root/hello.txt"
printf '<p>index\n' >"$root/site/index.html"
printf 'inside\n' >"$root/dir/file.txt"
echo 'the secret' >"$tmp/secret"
echo 'the secret' >"$tmp/outside/secret"
ln -s ../secret "$root/link-out"
ln -s "$tmp/secret" "$root/link-absolute"
ln -s ../outside "$root/dir-out"
ln -s ../../secret "$root/dir/link-out"
ln -s dir/file.txt "$root/link-inside"
mkfifo "$root/fifo"
printf 'odd\n' >"$root/odd/a b+c%d?e#f.txt"
printf 'markup\n' >"$root/odd/<b>&\"'.txt"
printf 'umlaut\n' >"$root/odd/äöü.txt"
printf 'colon\n' >"$root/odd/javascript:alert(1)"
(cd "$root/many" && seq -f 'entry-%05g' 10000 | xargs touch)

# start ENGINE ARGUMENT...
start() {
	engine=$1
	shift
	: >"$tmp/out"
	"$program" -b "$engine" -l tcp:127.0.0.1:0 -d "$root" "$@" >"$tmp/out" 2>"$tmp/err" &
	server=$!
	while ! grep -q '^listening on ' "$tmp/out"; do
		kill -0 "$server" || { cat "$tmp/err"; return 1; }
		sleep 0.02   # for a process to start there is no event to wait for
	done
	port=$(sed -n 's/^listening on .*://p' "$tmp/out")
	url="http://127.0.0.1:$port"
}

stop() {
	kill -TERM "$server"
	wait "$server"
	server=
	cat "$tmp/err"
	[ ! -s "$tmp/err" ]
}

# fetch ARGUMENT...: quietly, the body to standard output.
fetch() {
	curl --silent --show-error --max-time 20 "$@"
}

# status WANTED ARGUMENT...
status() {
	wanted=$1
	shift
	: >"$tmp/body"
	got=$(fetch --output "$tmp/body" --write-out '%{http_code}' "$@") || true
	[ "$got" = "$wanted" ] || { echo "$*: $got instead of $wanted"; return 1; }
}

# raw TEXT: sends it as it is, with printf's escapes, and prints what comes until the end.
raw() {
	# shellcheck disable=SC2059 # a format
	printf "$1" | socat -t 10 - "tcp:127.0.0.1:$port"
}

# refused STATUS TEXT
refused() {
	got=$(raw "$2" | head -n 1 | cut -d ' ' -f 2)
	[ "$got" = "$1" ] || { echo "\"$2\": $got instead of $1"; return 1; }
}

# repeated CHARACTER COUNT
repeated() {
	head -c "$2" /dev/zero | tr '\0' "$1"
}

# --- what is served ---------------------------------------------------------------------------------------------------

downloads() {
	start "$1"
	for size in 0 1 1024 16384 16385 1048576 5000003; do
		for version in --http1.1 --http1.0; do
			fetch "$version" "$url/$size.bin" | cmp - "$root/$size.bin"
		done
	done
	fetch "$url/link-inside" | cmp - "$root/dir/file.txt"
	fetch "$url/site/" | cmp - "$root/site/index.html"
	status 404 "$url/nothing"
	status 404 "$url/hello.txt/"
	status 403 "$url/fifo"
	fetch --head "$url/hello.txt" | tr -d '\r' >"$tmp/head"
	grep -qx 'Content-Type: text/plain; charset=utf-8' "$tmp/head"
	grep -qx 'Content-Length: 13' "$tmp/head"
	# one connection for all of them
	fetch --write-out '%{num_connects}\n' --output "$tmp/body" "$url/[0-1].bin?" --output "$tmp/body" "$url/1048576.bin?[1-9]" \
		>"$tmp/connects"
	[ "$(grep -cx 1 "$tmp/connects")" -eq 1 ]
	[ "$(grep -cx 0 "$tmp/connects")" -eq 10 ]
	stop
}

head_is_get_without_body() {
	start "$1"
	for path in hello.txt 1048576.bin nothing dir/ dir site/; do
		fetch --head "$url/$path" | grep -v '^Date' >"$tmp/head"
		fetch --dump-header - --output "$tmp/body" "$url/$path" | grep -v '^Date' | diff "$tmp/head" -
	done
	raw 'HEAD /hello.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' |
		tr -d '\r' >"$tmp/heads"
	[ "$(grep -c '^HTTP/1.1 200 OK$' "$tmp/heads")" -eq 2 ]
	fails grep -q 'hello' "$tmp/heads"
	stop
}

part() {
	tail -c "+$(($2 + 1))" "$root/$1" | head -c "$3"
}

ranges() {
	start "$1"
	for file in 1024.bin 1048576.bin; do
		fetch --range 0-9 "$url/$file" >"$tmp/body"
		part "$file" 0 10 | cmp - "$tmp/body"
		fetch --range 1000- "$url/$file" >"$tmp/body"
		tail -c +1001 "$root/$file" | cmp - "$tmp/body"
		fetch --range -24 "$url/$file" >"$tmp/body"
		tail -c 24 "$root/$file" | cmp - "$tmp/body"
		fetch --range 0-99999999 "$url/$file" | cmp - "$root/$file"
		# several: the parts, told apart by the boundary of the head
		fetch --dump-header "$tmp/head" --range 0-9,100-199,-5 "$url/$file" >"$tmp/body"
		boundary=$(tr -d '\r' <"$tmp/head" | sed -n 's/^Content-Type: multipart.byteranges; boundary=//p')
		size=$(wc -c <"$root/$file")
		for range in "0 10" "100 100" "$((size - 5)) 5"; do
			# shellcheck disable=SC2086 # two words
			set -- $range
			printf '\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %s-%s/%s\r\n\r\n' \
				"$boundary" "$1" "$(($1 + $2 - 1))" "$size"
			part "$file" "$1" "$2"
		done >"$tmp/wanted"
		printf '\r\n--%s--\r\n' "$boundary" >>"$tmp/wanted"
		cmp "$tmp/body" "$tmp/wanted"
		grep -qi "^content-length: $(wc -c <"$tmp/wanted")" "$tmp/head"
	done
	fetch --dump-header - --output "$tmp/body" --range 1024- "$url/1024.bin" | tr -d '\r' >"$tmp/head"
	grep -qx 'HTTP/1.1 416 Range Not Satisfiable' "$tmp/head"
	grep -qx 'Content-Range: bytes \*/1024' "$tmp/head"
	# none that counts: all of it
	for range in bytes=9-0 bytes=x-y bytes= lines=1-2 bytes=0-1023,0-1 bytes=-; do
		status 200 --header "Range: $range" "$url/1024.bin"
		cmp "$tmp/body" "$root/1024.bin"
	done
	stop
}

conditions() {
	start "$1"
	touch -d '1994-11-06 08:49:37 UTC' "$root/hello.txt"
	sleep 1.1        # what was open before is looked at again
	etag=$(fetch --head "$url/hello.txt" | tr -d '\r' | sed -n 's/^ETag: //p')
	status 304 --header "If-None-Match: $etag" "$url/hello.txt"
	[ ! -s "$tmp/body" ]
	status 304 --header "If-None-Match: \"x\", W/$etag" "$url/hello.txt"
	status 304 --header "If-None-Match: *" "$url/hello.txt"
	status 200 --header "If-None-Match: \"x\"" "$url/hello.txt"
	for date in 'Sun, 06 Nov 1994 08:49:37 GMT' 'Sunday, 06-Nov-94 08:49:37 GMT' 'Sun Nov  6 08:49:37 1994'; do
		status 304 --header "If-Modified-Since: $date" "$url/hello.txt"
		status 200 --header "If-Unmodified-Since: $date" "$url/hello.txt"
	done
	status 200 --header 'If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT' "$url/hello.txt"
	status 200 --header 'If-Modified-Since: yesterday' "$url/hello.txt"
	status 412 --header 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT' "$url/hello.txt"
	status 412 --header 'If-Match: "x"' "$url/hello.txt"
	status 412 --header "If-Match: W/$etag" "$url/hello.txt"
	status 200 --header "If-Match: \"x\", $etag" "$url/hello.txt"
	status 200 --header "If-None-Match: \"x\"" --header 'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT' "$url/hello.txt"
	status 206 --header "If-Range: $etag" --range 0-4 "$url/hello.txt"
	status 206 --header 'If-Range: Sun, 06 Nov 1994 08:49:37 GMT' --range 0-4 "$url/hello.txt"
	status 200 --header 'If-Range: "x"' --range 0-4 "$url/hello.txt"
	status 200 --header 'If-Range: Sun, 06 Nov 1994 08:49:38 GMT' --range 0-4 "$url/hello.txt"
	stop
}

# What changes under the server is seen after a second.
changes() {
	start "$1"
	printf 'before\n' >"$root/changing"
	[ "$(fetch "$url/changing")" = before ]
	printf 'afterwards\n' >"$root/new"
	mv "$root/new" "$root/changing"
	sleep 1.1
	[ "$(fetch "$url/changing")" = afterwards ]
	rm "$root/changing"
	sleep 1.1
	status 404 "$url/changing"
	sleep 1.1        # and nobody holds it open any more
	[ -z "$(find "/proc/$server/fd" -lname '*changing*')" ]
	stop
}

# --- names ------------------------------------------------------------------------------------------------------------

names() {
	start "$1"
	[ "$(fetch "$url/odd/a%20b+c%25d%3Fe%23f.txt")" = odd ]
	[ "$(fetch "$url/odd/%3Cb%3E&%22'.txt")" = markup ]
	[ "$(fetch "$url/odd/%c3%a4%C3%B6ü.txt")" = umlaut ]
	[ "$(fetch "$url/hello.txt?x=y&z")" = 'hello, world' ]
	[ "$(fetch "$url/%68ello.txt")" = 'hello, world' ]
	[ "$(fetch --path-as-is "$url//dir/./../hello.txt")" = 'hello, world' ]
	for path in %00 hello.txt%00 %zz %4 %; do
		status 400 "$url/$path"
	done
	for path in dir 'dir?a=b' //dir; do
		fetch --path-as-is --output /dev/null --dump-header - "$url/$path" | tr -d '\r' >>"$tmp/redirects"
	done
	[ "$(sed -n 's/^Location: //p' "$tmp/redirects" | tr '\n' ' ')" = '/dir/ /dir/?a=b /dir/ ' ]
	rm "$tmp/redirects"
	status 404 "$url/$(repeated a 300)"
	status 404 "$url/$(repeated / 5000)hello.txt$(repeated / 10)"
	stop
}

traversal() {
	start "$1"
	for path in /../secret /../../../../../../../../etc/passwd /%2e%2e/secret /..%2fsecret /%2e%2e%2fsecret /dir/../../secret \
		/dir/%2e%2e/%2e%2e/secret //../secret /./../secret /.../secret /..%5csecret /link-out /link-absolute /dir-out/secret \
		/dir-out/ /dir/link-out "/$tmp/secret" //etc/passwd /%2fetc/passwd /proc/self/environ '/..;/secret' /..%c0%afsecret; do
		fetch --path-as-is --output "$tmp/body" --write-out '%{http_code}' "$url$path" >"$tmp/code"
		case $(cat "$tmp/code") in 404 | 400) ;; *) echo "$path: $(cat "$tmp/code")"; return 1 ;; esac
		fails grep -q 'secret\|root:' "$tmp/body"
	done
	# a directory that is exchanged for a link out, again and again, while it is asked for
	while kill -0 "$server" 2>/dev/null; do
		mv -T "$root/dir-out" "$root/swap" && mv -T "$root/dir" "$root/dir-out" && mv -T "$root/swap" "$root/dir"
		mv -T "$root/dir" "$root/swap" && mv -T "$root/dir-out" "$root/dir" && mv -T "$root/swap" "$root/dir-out"
	done 2>/dev/null &
	swapper=$!
	for _ in $(seq 30); do
		fetch "$url/dir/secret?[1-20]" "$url/dir/file.txt?[1-20]" >>"$tmp/raced" || true
	done
	stop || return
	wait "$swapper" || true
	fails grep -q 'the secret' "$tmp/raced"
}

listings() {
	start "$1"
	fetch "$url/odd/" >"$tmp/body"
	grep -qF '<a href="./%3Cb%3E&amp;%22'"'"'.txt">&lt;b&gt;&amp;&quot;'"'"'.txt</a></td><td>7</td>' "$tmp/body"
	grep -qF '<a href="./a%20b+c%25d%3Fe%23f.txt">a b+c%d?e#f.txt</a>' "$tmp/body"
	grep -qF '<a href="./javascript:alert(1)">' "$tmp/body"
	fails grep -qF '<b>' "$tmp/body"
	[ "$(fetch "$url/odd/$(sed -n 's/.*href="\.\/\([^"]*C3[^"]*\)".*/\1/p' "$tmp/body")")" = umlaut ]
	fetch "$url/" >"$tmp/body"
	grep -qF '<title>Index of /</title>' "$tmp/body"
	grep -qF '<a href="./dir/">dir/</a>' "$tmp/body"
	fails grep -qF '../' "$tmp/body"
	fetch "$url/many/" | sed -n 's/.*<a href="\.\/\([^"]*\)".*/\1/p' >"$tmp/listed"
	seq -f 'entry-%05g' 10000 | cmp - "$tmp/listed"
	stop
	start "$1" -n
	status 403 "$url/odd/"
	status 200 "$url/site/"
	stop
}

# --- what is refused --------------------------------------------------------------------------------------------------

bad_requests() {
	start "$1"
	ok='GET /hello.txt HTTP/1.1\r\nHost: a\r\n'
	refused 200 "$ok\r\n"
	refused 200 "\r\n$ok\r\n"
	refused 400 '\r\n\r\n\r\n'
	refused 400 'GET\r\n\r\n'
	refused 400 'GET /\r\n\r\n'
	refused 400 'GET / HTTP/1.1\r\n\r\n'
	refused 400 'GET / HTTP/1.1\n\n'
	refused 400 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'
	refused 400 'GET hello.txt HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 'GET /a\001b HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 'GET / HTTPS/1.1\r\nHost: a\r\n\r\n'
	refused 400 'GET / HTTP/x\r\nHost: a\r\n\r\n'
	refused 400 "${ok}Host: b\r\n\r\n"
	refused 400 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'
	refused 400 "${ok}No-Colon\r\n\r\n"
	refused 400 "${ok}Space : x\r\n\r\n"
	refused 400 "${ok} folded\r\n\r\n"
	refused 400 "${ok}: x\r\n\r\n"
	refused 400 "${ok}A: b\001c\r\n\r\n"
	refused 400 "${ok}A: b\rc\r\n\r\n"
	refused 400 "${ok}A: b\nC: d\r\n\r\n"
	refused 400 "${ok}Content-Length: -1\r\n\r\n"
	refused 400 "${ok}Content-Length: 1x\r\n\r\n"
	refused 400 "${ok}Content-Length: 99999999999999999999\r\n\r\n"
	refused 400 "${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
	refused 400 "${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
	refused 400 "${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
	refused 400 '\026\003\001\002'
	refused 501 "${ok}Transfer-Encoding: gzip\r\n\r\n"
	refused 417 "${ok}Expect: wonders\r\n\r\n"
	refused 505 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'
	refused 501 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 405 'POST / HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 405 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 204 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 200 'GET http://somewhere/hello.txt HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 413 "${ok}Content-Length: 1048577\r\n\r\n"
	refused 414 "GET /$(repeated a 9000) HTTP/1.1\r\n"
	refused 431 "${ok}A: $(repeated a 9000)\r\n\r\n"
	refused 431 "$ok$(repeated x 100 | sed 's/x/X: y\\r\\n/g')\r\n\r\n"
	# after a refusal nothing is read any more
	[ "$(raw "${ok}Bad Field: x\r\n\r\n$ok\r\n" | grep -c '^HTTP')" -eq 1 ]
	status 200 "$url/hello.txt"
	stop
}

pipelining() {
	start "$1"
	ok='GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n'
	{
		# shellcheck disable=SC2059 # formats
		printf "${ok}GET /1048576.bin HTTP/1.1\r\nHost: a\r\n\r\nHEAD /1024.bin HTTP/1.1\r\nHost: a\r\n\r\n"
		# shellcheck disable=SC2059 # formats
		printf "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n${ok}GET /1024.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n$ok"
	} | socat -t 10 - "tcp:127.0.0.1:$port" >"$tmp/answers"
	[ "$(grep -ao 'HTTP/1.1 [0-9]*' "$tmp/answers" | cut -d ' ' -f 2 | tr '\n' ' ')" = '200 200 200 404 200 200 ' ]
	tail -c 1024 "$tmp/answers" | cmp - "$root/1024.bin"
	# more than is queued for a client that does not read meanwhile
	for _ in $(seq 200); do
		printf '%s' "$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok$ok"
	done >"$tmp/requests"
	# shellcheck disable=SC2059 # a format
	printf "$(cat "$tmp/requests")" | socat -t 10 - "tcp:127.0.0.1:$port" | grep -c '^hello, world$' >"$tmp/count"
	[ "$(cat "$tmp/count")" -eq 4000 ]
	stop
}

# Bodies that mean nothing are skipped, and the next request is the next.
bodies() {
	start "$1"
	last='GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
	for body in 'Content-Length: 5\r\n\r\nGET /' 'Content-Length: 0\r\n\r\n' \
		'Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'; do
		[ "$(raw "GET /hello.txt HTTP/1.1\r\nHost: a\r\n$body$last" | grep -c '^hello')" -eq 2 ]
		[ "$(raw "PUT /hello.txt HTTP/1.1\r\nHost: a\r\n$body$last" | grep -c '^hello')" -eq 1 ]
	done
	[ "$(raw "GET /hello.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n$last" | grep -c '^hello')" -eq 1 ]
	status 405 --data-binary "@$root/1024.bin" "$url/hello.txt"
	status 405 --data-binary "@$root/16385.bin" --header 'Transfer-Encoding: chunked' "$url/hello.txt"
	status 413 --data-binary "@$root/5000003.bin" --header 'Expect: 100-continue' "$url/hello.txt"
	status 405 --data-binary "@$root/16385.bin" --header 'Expect: 100-continue' "$url/hello.txt"
	stop
}

# --- slow clients -----------------------------------------------------------------------------------------------------

# slowly TEXT: sends it, and then nothing, for 10 seconds at most.
slowly() {
	# shellcheck disable=SC2059 # a format
	{ printf "$1"; sleep 10; } | socat -t 0.1 - "tcp:127.0.0.1:$port"
}

slow_clients() {
	start "$1" -t 1 -k 2
	begin=$(date +%s)
	sockets=$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)
	slowly 'GET /hello.txt HT' >"$tmp/slow-head" &
	one=$!
	slowly 'GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n' >"$tmp/idle" &
	two=$!
	slowly '' >"$tmp/silent" &
	three=$!
	{
		for c in G E T ' ' / ' ' H T T P / 1 . 1; do
			printf '%s' "$c"
			sleep 0.2        # always a byte more, and never a head
		done
	} | socat -t 0.1 - "tcp:127.0.0.1:$port" >"$tmp/drip" 2>/dev/null &
	four=$!
	for _ in $(seq 20); do
		[ "$(fetch "$url/hello.txt")" = 'hello, world' ]
	done
	# their connections are closed; the senders find out when they have slept
	until [ "$(find "/proc/$server/fd" -lname 'socket:*' | wc -l)" -eq "$sockets" ]; do
		[ $(($(date +%s) - begin)) -lt 8 ] || { echo 'still connected'; return 1; }
		sleep 0.1
	done
	kill "$one" "$two" "$three" "$four" 2>/dev/null || true
	wait "$one" "$two" "$three" "$four" 2>/dev/null || true
	grep -q '^HTTP/1.1 408 ' "$tmp/slow-head"
	grep -q '^HTTP/1.1 408 ' "$tmp/drip"
	grep -q '^HTTP/1.1 200 ' "$tmp/idle"
	[ ! -s "$tmp/silent" ]
	stop
}

# attacked NAME ARGUMENT...: others are served meanwhile, which slowhttptest looks at too.
attacked() {
	(cd "$tmp" && slowhttptest "$@" -c 200 -r 200 -l 2 -p 2 -u "$url/1048576.bin" >"$tmp/slow" 2>&1) &
	attacker=$!
	for _ in $(seq 10); do
		[ "$(fetch "$url/hello.txt")" = 'hello, world' ]
		sleep 0.1
	done
	wait "$attacker" || true
	cat "$tmp/slow"
	grep -aq 'service available:.*YES' "$tmp/slow"
}

under_slowhttptest() {
	start "$1" -t 1 -k 2
	attacked -H -i 1
	attacked -B -i 1 -s 8192
	attacked -X -w 16 -y 32 -n 1 -z 8
	status 200 "$url/hello.txt"
	stop
}

# --- load, and the end ------------------------------------------------------------------------------------------------

under_h2load() {
	start "$1" -w 2
	h2load --h1 -n 10000 -c 50 "$url/1024.bin" >"$tmp/load" 2>&1
	cat "$tmp/load"
	grep -q 'requests: 10000 total, 10000 started, 10000 done, 10000 succeeded, 0 failed' "$tmp/load"
	stop
}

under_ab() {
	start "$1" -w 2
	ab -q -k -n 10000 -c 50 "$url/1024.bin" >"$tmp/load" 2>&1
	cat "$tmp/load"
	grep -q 'Complete requests: *10000' "$tmp/load"
	grep -q 'Failed requests: *0' "$tmp/load"
	# without keep-alive, and by HTTP/1.0
	ab -q -n 2000 -c 20 "$url/16385.bin" >"$tmp/load" 2>&1
	cat "$tmp/load"
	grep -q 'Complete requests: *2000' "$tmp/load"
	grep -q 'Failed requests: *0' "$tmp/load"
	stop
}

under_wrk() {
	start "$1" -w 2
	wrk -t 1 -c 50 -d 1 "$url/1048576.bin" >"$tmp/load"
	cat "$tmp/load"
	fails grep -q 'Socket errors\|Non-2xx' "$tmp/load"
	stop
}

# No request that a connection carries fails, however many there are; only new connections do when nobody listens any more.
# wrk counts those as write errors.
drain_under_load() {
	start "$1" -a "$tmp/log-drain" -w 2 -q 5
	fetch --limit-rate 2M "$url/5000003.bin" >"$tmp/download" &
	download=$!
	wrk -t 1 -c 50 -d 3 "$url/1024.bin" >"$tmp/load" &
	for i in 1 2 3 4; do
		curl --silent --fail-early --output /dev/null --write-out '%{http_code} %{exitcode}\n' "$url/hello.txt?[1-100000]" |
			sort | uniq -c | sort -rn >"$tmp/loop-$i" &
	done
	until grep -q 'GET /1024.bin' "$tmp/log-drain" && grep -q 'GET /hello.txt' "$tmp/log-drain"; do sleep 0.02; done
	sleep 0.3        # of service to all of them
	stop
	wait "$download"
	cmp "$tmp/download" "$root/5000003.bin"
	wait
	cat "$tmp/load" "$tmp"/loop-*
	fails grep -q 'Non-2xx' "$tmp/load"
	grep -q 'Socket errors: connect [0-9]*, read 0, write [0-9]*, timeout 0' "$tmp/load"
	# each was answered, but the last one, whose connection was refused
	[ "$(cat "$tmp"/loop-* | grep -cv ' 200 0$\| 000 7$')" -eq 0 ]
	sed -n 's/^ *\([0-9]*\) 200 0$/\1/p' "$tmp"/loop-* | paste -s -d+ >"$tmp/sum"
	logged=$(grep -c '"GET /hello.txt?[0-9]* HTTP/1.1" 200 13 "-" "curl' "$tmp/log-drain")
	[ $(($(cat "$tmp/sum"))) -eq "$logged" ]
	[ "$logged" -gt 0 ]
	rm "$tmp/log-drain"
}

# Holds the listening socket, as a service manager does, and lets one server after the other have it. The next one is there
# before the last one goes, the third time after.
write_holder() {
	cat >"$tmp/holder" <<-END
		#!/bin/sh
		begin() {
			sh -c 'LISTEN_PID=\$\$ exec "\$@"' sh "$program" -b "$1" -l systemd:web -d "$root" -q 5 >"$tmp/out-\$1" &
			eval "server_\$1=\$!"
			until grep -q listening "$tmp/out-\$1"; do sleep 0.02; done
		}
		begin 1
		touch "$tmp/held"
		sleep 0.7
		begin 2
		kill -TERM \$server_1
		wait \$server_1
		sleep 0.3
		kill -TERM \$server_2
		wait \$server_2
		begin 3
		sleep 0.5
		begin 4
		kill -TERM \$server_3
		wait \$server_3
		touch "$tmp/handed-over"
		trap 'kill -TERM \$server_4; wait \$server_4; exit' TERM
		wait \$server_4
	END
	chmod +x "$tmp/holder"
}

restart_under_load() {
	rm -f "$tmp/held" "$tmp/handed-over"
	write_holder "$1"
	port=$((20000 + ($$ * 13 + $(date +%s)) % 20000))
	systemd-socket-activate -l "127.0.0.1:$port" --fdname=web "$tmp/holder" 2>"$tmp/err" &
	holder=$!
	url="http://127.0.0.1:$port"
	[ "$(fetch --retry 20 --retry-connrefused --retry-delay 1 "$url/hello.txt")" = 'hello, world' ]
	wrk -t 1 -c 50 -d 4 "$url/1024.bin" >"$tmp/load"
	cat "$tmp/load" "$tmp/err"
	[ -e "$tmp/handed-over" ]
	fails grep -q 'Socket errors\|Non-2xx' "$tmp/load"
	kill -TERM "$holder"
	wait "$holder" || true
	holder=
}

access_log() {
	rm -f "$tmp/log"
	start "$1" -a "$tmp/log" -w 1
	fetch --user-agent me "$url/hello.txt" "$url/nothing" >/dev/null
	fetch --user-agent "quote \" and \\" --referer http://a/b --range 0-4 "$url/hello.txt" >/dev/null
	fetch --user-agent me --head "$url/dir" >/dev/null
	fetch --user-agent me "$url/1048576.bin?q" >/dev/null
	raw 'rubbish\001\r\n' >/dev/null
	raw 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n' >/dev/null
	stop
	cat "$tmp/log"
	sed -i 's/\[[0-9]\{2\}\/[A-Z][a-z]\{2\}\/[0-9]\{4\}:[0-9:]\{8\} +0000\]/[DATE]/' "$tmp/log"
	diff - "$tmp/log" <<-'END'
		127.0.0.1 - - [DATE] "GET /hello.txt HTTP/1.1" 200 13 "-" "me"
		127.0.0.1 - - [DATE] "GET /nothing HTTP/1.1" 404 68 "-" "me"
		127.0.0.1 - - [DATE] "GET /hello.txt HTTP/1.1" 206 5 "http://a/b" "quote \x22 and \x5C"
		127.0.0.1 - - [DATE] "HEAD /dir HTTP/1.1" 301 0 "-" "me"
		127.0.0.1 - - [DATE] "GET /1048576.bin?q HTTP/1.1" 200 1048576 "-" "me"
		127.0.0.1 - - [DATE] "rubbish\x01" 400 72 "-" "-"
		127.0.0.1 - - [DATE] "BREW / HTTP/1.1" 501 80 "-" "-"
	END
}

under_varnishtest() {
	start "$1" -t 1
	for script in "$top_srcdir"/tests/integration/fileserver/*.vtc; do
		TMPDIR=$tmp varnishtest -Dserver="127.0.0.1:$port" -t 20 "$script" >"$tmp/vtc" 2>&1 || { cat "$tmp/vtc"; return 1; }
	done
	stop
}

# with TOOL CLAIM COMMAND...: a check that takes a tool which may not be there.
with() {
	if command -v "$1" >/dev/null; then
		shift
		strict "$@"
	else
		skip "$2" "there is no $1"
	fi
}

engines=epoll
if "$top_builddir/tests/support/has-io_uring" >/dev/null; then
	engines="$engines io_uring"
fi
for engine in $engines; do
	strict "$engine: files arrive as they are" downloads "$engine"
	strict "$engine: HEAD is GET without the body" head_is_get_without_body "$engine"
	strict "$engine: ranges, one and several" ranges "$engine"
	strict "$engine: conditions" conditions "$engine"
	strict "$engine: what changes is seen" changes "$engine"
	strict "$engine: names in all encodings" names "$engine"
	strict "$engine: nothing leads out of the root" traversal "$engine"
	strict "$engine: listings, with names that are markup and with very many" listings "$engine"
	strict "$engine: bad requests are refused, each with its status" bad_requests "$engine"
	strict "$engine: pipelined requests are answered in order" pipelining "$engine"
	strict "$engine: bodies of requests are skipped" bodies "$engine"
	strict "$engine: slow clients are cut off, others are served" slow_clients "$engine"
	with slowhttptest "$engine: attacked by slowhttptest" under_slowhttptest "$engine"
	with h2load "$engine: under the load of h2load" under_h2load "$engine"
	with ab "$engine: under the load of ab" under_ab "$engine"
	with wrk "$engine: under the load of wrk" under_wrk "$engine"
	with wrk "$engine: no request fails when the server ends" drain_under_load "$engine"
	if command -v systemd-socket-activate >/dev/null; then
		with wrk "$engine: no connection is refused when it is restarted" restart_under_load "$engine"
	else
		skip "$engine: no connection is refused when it is restarted" "there is no systemd-socket-activate"
	fi
	strict "$engine: the access log, line by line" access_log "$engine"
	with varnishtest "$engine: scripts of varnishtest" under_varnishtest "$engine"
done
finish
