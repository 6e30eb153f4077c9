# SPDX-License-Identifier: MIT
"""What is measured, and what it must reach.

"raw" is the hand-written io_uring loop, "raw-epoll" the hand-written epoll loop; "ringline" and "ringline-epoll" are
examples/echo as it is, with its default configuration. A contender NAME+idle has IDLE more connections that do nothing.
"""
import re
from dataclasses import dataclass, field

IDLE = 10000


@dataclass(frozen=True)
class Contender:
    name: str
    command: tuple
    engine: str
    stats: bool = False        # tells at its end what it ran on
    free: bool = False         # may use every core where the others are kept on one


CONTENDERS = {c.name: c for c in (
    Contender("raw", ("bench/raw-uring",), "io_uring"),
    Contender("ringline", ("examples/echo", "-b", "io_uring", "--stats"), "io_uring", True),
    Contender("raw-epoll", ("bench/raw-epoll",), "epoll"),
    Contender("ringline-epoll", ("examples/echo", "-b", "epoll", "--stats"), "epoll", True),
    Contender("libuv", ("bench/echo-libuv",), "epoll"),
    Contender("libev", ("bench/echo-libev",), "epoll"),
    Contender("libevent", ("bench/echo-libevent",), "epoll"),
    Contender("ringline-stackless", ("examples/echo-stackless", "-b", "io_uring", "--stats"), "io_uring", True),
    Contender("ringline-epoll-stackless", ("examples/echo-stackless", "-b", "epoll", "--stats"), "epoll", True),
    Contender("udp-ringline", ("examples/udp-echo", "-b", "io_uring"), "io_uring"),
    Contender("udp-ringline-epoll", ("examples/udp-echo", "-b", "epoll"), "epoll"),
    Contender("udp-ringline-one", ("examples/udp-echo", "-1", "-b", "io_uring"), "io_uring"),
    Contender("udp-ringline-epoll-one", ("examples/udp-echo", "-1", "-b", "epoll"), "epoll"),
    Contender("udp-uring", ("bench/udp-uring",), "io_uring"),
    Contender("udp-epoll", ("bench/udp-epoll",), "epoll"),
    Contender("udp-libuv", ("bench/udp-libuv",), "epoll"),
    Contender("ringline-tiny", ("bench/echo-tiny",), "io_uring", True),
)}

# Programs that run DEPTH jobs at once on a pool of threads, COUNT in all.
JOBS = {c.name: c for c in (
    Contender("ringline", ("bench/jobs-ringline",), "io_uring"),
    Contender("ringline-epoll", ("bench/jobs-ringline",), "epoll"),
    Contender("libuv", ("bench/jobs-libuv",), "epoll"),
)}

# Programs that run /bin/true COUNT times, DEPTH at once, with so many MiB resident.
SPAWNS = {c.name: c for c in (
    Contender("ringline", ("bench/spawn-ringline",), "io_uring"),
    Contender("ringline-epoll", ("bench/spawn-ringline",), "epoll"),
    Contender("posix", ("bench/spawn-posix",), "none"),
    Contender("libuv", ("bench/spawn-libuv",), "epoll"),
)}

# Programs that pass COUNT elements between two threads.
CHANNELS = {c.name: c for c in (
    Contender("ringline", ("bench/chan-ringline",), "io_uring"),
    Contender("ringline-epoll", ("bench/chan-ringline",), "epoll"),
    Contender("go", ("bench/chan-go",), "none"),
    Contender("eventfd", ("bench/chan-eventfd",), "none"),
)}

# Programs that look a name up COUNT times, DEPTH of them at once.
RESOLVERS = {c.name: c for c in (
    Contender("ringline", ("bench/resolve-ringline",), "io_uring"),
    Contender("ringline-epoll", ("bench/resolve-ringline",), "epoll"),
    Contender("pool", ("bench/resolve-pool",), "none"),
)}

# Name servers with the same names; "{port}" is where, "{directory}" has their files.
DNS = {c.name: c for c in (
    Contender("ringline", ("examples/dns", "-l", "127.0.0.1:{port}", "-z", "{directory}/zone"), "io_uring"),
    Contender("ringline-epoll", ("examples/dns", "-l", "127.0.0.1:{port}", "-z", "{directory}/zone"), "epoll"),
    Contender("dnsmasq", ("/usr/sbin/dnsmasq", "-k", "-C", "{directory}/dnsmasq", "-p", "{port}", "--listen-address=127.0.0.1",
                          "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root"), "none"),
)}

# Servers of the files in "{directory}/root", on one core each. nginx is set up as well as we know how (bench/nginx.conf).
FILES = ("-w", "1", "-d", "{directory}/root", "-l", "tcp:127.0.0.1:{port}")
HTTP = {c.name: c for c in (
    Contender("ringline", ("examples/fileserver", "-b", "io_uring", *FILES), "io_uring"),
    Contender("ringline-epoll", ("examples/fileserver", "-b", "epoll", *FILES), "epoll"),
    Contender("nginx", ("/usr/sbin/nginx", "-c", "{directory}/nginx.conf"), "none"),
    Contender("nginx-push", ("/usr/sbin/nginx", "-c", "{directory}/nginx-push.conf"), "none"),
)}

# Servers of the same file, "{file}", at "{listen}": for nbdkit a flag and a port or a path. On the one core, and for a file in
# the cache, one thread does it best: by default it has 16, and takes a fifth more.
BLOCKS = ("-w", "1", "-l", "{listen}", "-e", "={file}")
NBD = {c.name: c for c in (
    Contender("ringline", ("examples/nbdserver", "-b", "io_uring", "--stats", *BLOCKS), "io_uring"),
    Contender("ringline-epoll", ("examples/nbdserver", "-b", "epoll", "--stats", *BLOCKS), "epoll"),
    Contender("nbdkit", ("/usr/bin/nbdkit", "-f", "-t", "1", "{flag}", "{where}", "file", "{file}"), "none"),
)}

# Programs that send COUNT bytes as datagrams cut and joined by the kernel, and receive them.
BULKS = {c.name: c for c in (
    Contender("raw", ("bench/udp-bulk",), "raw"),
    Contender("raw-epoll", ("bench/udp-bulk",), "raw-epoll"),
    Contender("ringline", ("bench/udp-bulk",), "io_uring"),
    Contender("ringline-epoll", ("bench/udp-bulk",), "epoll"),
)}

# Programs that receive one large stream, COUNT bytes.
STREAMS = {c.name: c for c in (
    Contender("raw", ("bench/stream",), "raw"),
    Contender("ringline", ("bench/stream",), "io_uring"),
    Contender("ringline-epoll", ("bench/stream",), "epoll"),
)}

# Programs that read blocks of a file at random, 32 at a time.
READS = {c.name: c for c in (
    Contender("pread", ("bench/file-raw", "pread"), "pread"),
    Contender("raw", ("bench/file-raw", "io_uring"), "io_uring"),
    Contender("raw-epoll", ("bench/file-raw", "nowait"), "nowait"),
    Contender("libuv", ("bench/file-libuv", "pool"), "pool", free=True),
    Contender("libuv-one-core", ("bench/file-libuv", "pool"), "pool"),
    Contender("fio", ("/usr/bin/fio",), "io_uring"),
    Contender("ringline", ("bench/file-ringline", "tasks"), "io_uring"),
    Contender("ringline-ops", ("bench/file-ringline", "operations"), "io_uring"),
    Contender("ringline-epoll", ("bench/file-ringline", "tasks"), "epoll"),
    Contender("ringline-epoll-ops", ("bench/file-ringline", "operations"), "epoll"),
)}

# Programs that look up names, 64 at a time, beside an echo connection.
STATS = {c.name: c for c in (
    Contender("ringline", ("bench/file-stat",), "io_uring"),
    Contender("ringline-epoll", ("bench/file-stat",), "epoll"),
)}

# Programs that copy a file of COUNT bytes.
COPIES = {c.name: c for c in (
    Contender("cp", ("/bin/cp",), "none"),
    Contender("ringline", ("bench/file-copy",), "io_uring"),
    Contender("ringline-epoll", ("bench/file-copy",), "epoll"),
)}

# Proxies of one core; "{target}" is where to, "{listen}" what they are to listen on.
PROXIES = {c.name: c for c in (
    Contender("splice", ("bench/proxy-splice", "-t", "{target}"), "epoll"),
    Contender("ringline", ("examples/proxy", "-b", "io_uring", "-w", "1", "-l", "{listen}", "-t", "{target}"), "io_uring"),
    Contender("ringline-epoll", ("examples/proxy", "-b", "epoll", "-w", "1", "-l", "{listen}", "-t", "{target}"), "epoll"),
    Contender("socat", ("/usr/bin/socat", "-b", "65536", "TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "TCP:{where}"),
              "none"),
)}

ALL = ("raw", "ringline", "raw-epoll", "ringline-epoll", "libuv", "libev", "libevent")
OWN = ("ringline", "ringline-epoll")
STACKLESS = ("ringline-stackless", "ringline-epoll-stackless")


@dataclass(frozen=True)
class Bar:
    """*metric* of *subject*, as a ratio to the one of *reference* if there is one, must be at most (or least) *limit*."""
    subject: str
    metric: str
    limit: float
    reference: str = ""
    least: bool = False
    assertion: bool = False    # of the measurement, not of the library

    def text(self):
        of = f"{self.subject}/{self.reference}" if self.reference else self.subject
        sign = ">=" if self.least else "<="
        return f"{of} {self.metric} {sign} {self.limit:g}"

    def holds(self, estimate):
        """The interval reaches it."""
        return estimate.high >= self.limit if self.least else estimate.low <= self.limit


@dataclass(frozen=True)
class Row:
    name: str
    kind: str = "echo"
    connections: int = 50
    size: int = 64
    depth: int = 1
    transport: str = "tcp"     # or how else: the mode of a channel, "direct" reads
    churn: bool = False
    stretch: int = 1           # slices are so many times longer; of a copy, so many more of them
    contenders: tuple = ALL
    bars: tuple = field(default=())
    calls: bool = False        # count system calls
    requests: int = 0          # of a soak, or jobs, or processes
    access: str = ""           # fio's, to a file


def against_raw(cpu, per_second=None):
    bars = [Bar("ringline", "cpu", cpu, "raw")]
    if per_second:
        bars.append(Bar("ringline", "per_second", per_second, "raw", least=True))
    return bars


def on_epoll():
    return [Bar("ringline-epoll", "cpu", 1.05, "raw-epoll"), Bar("ringline-epoll", "cpu", 1.03, "libuv")]


def small(name, cpu, bars=(), **options):
    """64 bytes a message."""
    return Row(name, bars=(*against_raw(cpu, 0.97), *on_epoll(), *bars), **options)


def large(name, cpu, bars=(), **options):
    return Row(name, bars=(*against_raw(cpu), *on_epoll(), *bars), **options)


def beside_idle(name, **options):
    bars = []
    for own in OWN:
        bars.append(Bar(f"{own}+idle", "cpu", 1, own))
        bars.append(Bar(f"{own}+idle", "per_second", 1, own, least=True))
    names = [n for own in ("raw", *OWN) for n in (own, f"{own}+idle")]
    return Row(name, contenders=tuple(names), bars=tuple(bars), **options)


def jobs(name, depth, cpu, count):
    bars = tuple(Bar(own, "cpu", cpu, "libuv") for own in OWN)
    return Row(name, "jobs", depth=depth, requests=count, contenders=tuple(JOBS), bars=bars)


def spawns(name, mib, count):
    bars = tuple(bar for own in OWN for bar in (Bar(own, "cpu", 1.10, "posix"), Bar(own, "cpu", 1, "libuv")))
    return Row(name, "spawns", depth=4, size=mib, requests=count, contenders=tuple(SPAWNS), bars=bars)


def channel(name, mode, reference, limit, count):
    bars = tuple(Bar(own, "per_second", limit, reference, least=True) for own in OWN)
    return Row(name, "channel", requests=count, transport=mode, contenders=(*OWN, reference), bars=bars)


def stackless(name, **options):
    """The echo handler without stacks beside the one with."""
    bars = tuple(Bar(f, "cpu", 1.03, own) for f, own in zip(STACKLESS, OWN))
    return Row(name, contenders=(*OWN, *STACKLESS), bars=bars, **options)


def datagrams(name, size, of_libuv):
    """4 sockets with 32 datagrams under way each."""
    best = {"udp-ringline": "udp-uring", "udp-ringline-epoll": "udp-epoll"}
    bars = tuple(bar for own, raw in best.items() for bar in (Bar(own, "cpu", 1.05, raw), Bar(own, "cpu", of_libuv, "udp-libuv")))
    return Row(name, connections=4, depth=32, size=size, transport="udp", calls=True, bars=bars,
               contenders=("udp-epoll", "udp-uring", *best, "udp-libuv"))


def nbd(name, transport, size, depth, access):
    bars = tuple(bar for own in OWN for bar in (Bar(own, "per_second", 1, "nbdkit", least=True), Bar(own, "cpu", 0.8, "nbdkit")))
    return Row(name, "nbd", transport=transport, size=size, depth=depth, access=access, contenders=tuple(NBD), bars=bars)


def stream(name, count, **limits):
    """*limits* are of CPU per byte, or of bytes per second."""
    bars = tuple(Bar(own, metric, limit, "raw", least=metric == "per_second") for own in OWN for metric, limit in limits.items())
    return Row(name, "stream", requests=count, contenders=tuple(STREAMS), bars=bars)


def as_good(subject, part, reference):
    """So many times the rate of another, and at most the processor time that goes with it."""
    return Bar(subject, "per_second", part, reference, least=True), Bar(subject, "cpu", round(1 / part, 2), reference)


def cached_reads(name):
    """
    A loop on epoll must not wait for a disk: the call that does not is dearer than pread(2), and a process with threads pays
    for each use of a descriptor. All are kept on one core, and libuv's threads once more on none.
    """
    goals = {"ringline": (("pread", 0.95), ("raw", 0.95)), "ringline-epoll": (("pread", 0.8), ("raw-epoll", 0.95))}
    bars = [Bar("raw", "per_second", 0.8, "pread", least=True, assertion=True)]
    for engine, references in goals.items():
        for own in (engine, f"{engine}-ops"):
            for reference, part in (*references, ("libuv-one-core", 2.2)):
                bars += as_good(own, part, reference)
            bars.append(Bar(own, "cpu", 0.45, "libuv"))
    return Row(name, "file-read", size=64 << 20, bars=tuple(bars), contenders=tuple(n for n in READS if n != "fio"))


def direct_reads(name):
    bars = [Bar(own, "per_second", 0.97, reference, least=True) for own in ("ringline", "ringline-ops")
            for reference in ("raw", "fio")]
    bars.append(Bar("raw", "per_second", 0.97, "fio", least=True, assertion=True))
    return Row(name, "file-read", size=256 << 20, transport="direct", stretch=2, bars=tuple(bars),
               contenders=("raw", "fio", "ringline", "ringline-ops"))


def lookups(name, **options):
    bars = []
    for own in OWN:
        bars.append(Bar(own, "per_second", 0.35, f"{own}-loop", least=True))
        bars.append(Bar(f"{own}-many", "per_second", 0.7, f"{own}-loop", least=True))
        bars += [Bar(busy, "p99", 2, f"{own}-quiet") for busy in (own, f"{own}-many")]
    return Row(name, "file-stat", contenders=tuple(STATS), bars=tuple(bars), **options)


def http_small(name, connections):
    """Asked for by wrk. Requests per second say nothing if it is wrk that limits the reference."""
    return Row(name, "http", connections=connections, size=1024, contenders=(*OWN, "nginx"), bars=(
        *(Bar(own, "per_second", 1, "nginx", least=True) for own in OWN), *(Bar(own, "cpu", 1, "nginx") for own in OWN),
        Bar("nginx", "busy", 0.9, least=True, assertion=True)))


def http_large(name, connections):
    """
    Here wrk is what limits. What a server sends while the client's window is full leaves on the client's core, so both cores
    together are looked at, too.
    """
    return Row(name, "http", connections=connections, size=1 << 20, contenders=(*OWN, "nginx", "nginx-push"), bars=(
        *(Bar(own, "cpu", 1, "nginx") for own in OWN),
        *(Bar(own, "both", 1, nginx) for own in OWN for nginx in ("nginx", "nginx-push"))))


FEW_CALLS = (Bar("ringline", "calls", 0.15),)

ROWS = (
    small("64B-c1", 1.10, connections=1, stretch=2),
    small("64B-c50", 1.05, connections=50, calls=True, bars=(
        *FEW_CALLS, Bar("ringline", "cpu", 0.75, "libuv"), Bar("ringline", "cpu", 0.55, "libevent"),
        Bar("raw", "cpu", 0.75, "libuv", assertion=True))),
    small("64B-c200", 1.05, connections=200),
    small("64B-c1000", 1.05, connections=1000, stretch=2),
    large("4K-c50", 1.05, connections=50, size=4096, calls=True, bars=FEW_CALLS),
    large("4K-c1000", 1.05, connections=1000, size=4096, stretch=2),
    large("64K-c50", 1.10, connections=50, size=65536, stretch=2, calls=True, bars=(
        *FEW_CALLS, Bar("ringline", "cpu", 0.85, "libuv"), Bar("raw", "cpu", 0.80, "libuv", assertion=True))),
    large("64K-c200", 1.10, connections=200, size=65536, stretch=2),
    small("64B-c50-d16", 1.05, connections=50, depth=16, calls=True, bars=FEW_CALLS),
    large("churn", 1.20, connections=64, churn=True, stretch=4, calls=True, bars=(
        Bar("ringline", "cpu", 1, "libuv"), Bar("ringline", "calls", 2))),
    small("unix-64B-c50", 1.05, connections=50, transport="unix", calls=True, bars=FEW_CALLS),
    beside_idle("64B-c50-idle", connections=50),
    beside_idle("64K-c50-idle", connections=50, size=65536, stretch=2),
    Row("memory", "memory", connections=IDLE, bars=tuple(
        bar for own in OWN for bar in (Bar(own, "bytes_per_connection", 4800), Bar(own, "process_bytes", 4 << 20)))),
    datagrams("udp-64B", 64, 0.85),
    datagrams("udp-1400B", 1400, 0.95),
    Row("udp-batches", connections=4, depth=32, transport="udp",
        contenders=("udp-ringline", "udp-ringline-one", "udp-ringline-epoll", "udp-ringline-epoll-one"), bars=(
            Bar("udp-ringline", "cpu", 1, "udp-ringline-one"), Bar("udp-ringline-epoll", "cpu", 0.9, "udp-ringline-epoll-one"))),
    Row("dns", "dns", contenders=tuple(DNS), bars=tuple(Bar(own, "per_second", 1, "dnsmasq", least=True) for own in OWN)),
    http_small("http-1K-c50", 50),
    http_small("http-1K-c500", 500),
    http_large("http-1M", 50),
    Row("http-memory", "http-memory", connections=IDLE, size=1024, contenders=(*OWN, "nginx"), bars=tuple(
        Bar(own, "bytes_per_connection", 5120) for own in OWN)),
    Row("udp-bulk", "bulk", requests=2 << 30, contenders=tuple(BULKS), bars=tuple(
        Bar(own, "per_second", 0.95, "raw-epoll", least=True) for own in OWN)),
    Row("memory-stackless", "memory", connections=18000, contenders=STACKLESS, bars=tuple(
        Bar(own, "bytes_per_connection", 400) for own in STACKLESS)),
    stackless("stackless-64B-c50", connections=50, calls=True),
    stackless("stackless-64B-c1000", connections=1000, stretch=2),
    channel("chan-stream", "stream", "go", 1, 2000000),
    channel("chan-ping-pong", "ping-pong", "eventfd", 1 / 1.1, 50000),
    jobs("jobs-d1", 1, 1.05, 20000),
    jobs("jobs-d32", 32, 0.9, 200000),
    spawns("spawn-16M", 16, 2000),
    spawns("spawn-4G", 4096, 2000),
    Row("resolve-localhost", "resolve", depth=32, requests=20000, contenders=tuple(RESOLVERS), bars=tuple(
        Bar(own, "per_second", 0.95, "pool", least=True) for own in OWN)),
    stream("recv-64K", 2 << 30, cpu=1.05),
    stream("grow-64M", 64 << 20, per_second=0.9),
    cached_reads("file-read"),
    direct_reads("file-direct"),
    lookups("file-stat"),
    Row("file-copy", "file-copy", requests=1 << 30, contenders=tuple(COPIES), bars=tuple(
        Bar(own, "per_second", 0.95, "cp", least=True) for own in OWN)),
    Row("proxy", "proxy", requests=1 << 30, contenders=tuple(PROXIES), bars=tuple(
        bar for own in OWN for bar in (Bar(own, "per_second", 0.95, "splice", least=True),
                                       Bar(own, "per_second", 1.5, "socat", least=True)))),
    nbd("nbd-4K-d32", "tcp", 4096, 32, "randread"),
    nbd("nbd-4K-d32-unix", "unix", 4096, 32, "randread"),
    nbd("nbd-1M-d4", "tcp", 1 << 20, 4, "read"),
    nbd("nbd-1M-d4-unix", "unix", 1 << 20, 4, "read"),
    Row("micro", "micro", contenders=(), bars=(
        Bar("fiber_switch_ns", "value", 12),
        Bar("spawn_run_finish_ns", "value", 60),
        Bar("million_tasks_s", "value", 1),
        Bar("scope_deadline_ns", "value", 60),
        Bar("same_worker_wake_ns", "value", 30),
        Bar("select_10_ns", "value", 150),
        Bar("chan_pass_ns", "value", 25),
        Bar("chan_pass_switch_ns", "value", 80),
        Bar("mutex_ns", "value", 10),
        Bar("timer_arm_cancel_ns", "value", 40),
        Bar("parked_fiber_bytes", "value", 4.3 * 1024),
        Bar("parked_fiber_mappings", "value", 200),
        Bar("cancel_parked_op_ns", "value", 100))),
    Row("soak-64K-c50", "soak", connections=50, size=65536, requests=1000000, contenders=(*OWN, "ringline-tiny")),
    Row("soak-64K-c200", "soak", connections=200, size=65536, requests=1000000, contenders=(*OWN, "ringline-tiny")),
)


def select(pattern, soak):
    """The rows whose names match; rows of 10^6 requests only if they were asked for."""
    return [r for r in ROWS if re.search(pattern, r.name) and (soak or r.kind != "soak")]
