# SPDX-License-Identifier: MIT
"""Processes of a measurement: echo servers on one core, load generators on another, and counters of both."""
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

SERVER_CPU = 0
LOAD_CPU = 1
START_SECONDS = 10
END_SECONDS = 10


class Trouble(Exception):
    """What makes a figure worthless: a process that failed, a byte that was wrong, an engine that was not the one."""


class Missing(Exception):
    """A contender that was not built."""


def start(command, cpu, env=None, stderr=None, stdin=None):
    def pin():
        os.sched_setaffinity(0, {cpu})

    return subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                            preexec_fn=pin, env=env, bufsize=0)


def program_of(contender, build):
    """Its path: one that does not come from elsewhere was built."""
    program = os.path.join(build, contender.command[0])
    if not os.access(program, os.X_OK):
        raise Missing(contender.name)
    return program


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pid):
    return time.clock_gettime_ns(~pid << 3 | 2)            # what clock_getcpuclockid(3) makes of a process


class Lines:
    """The lines of a pipe, with an end to waiting."""

    def __init__(self, pipe, name):
        self.pipe = pipe
        self.name = name
        self.rest = b""

    def next(self, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.pipe], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise Trouble(f"{self.name} has said nothing for {seconds:.0f} s")
            data = os.read(self.pipe.fileno(), 65536)
            if not data:
                raise Trouble(f"{self.name} has ended")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


def pairs(text):
    """KEY=VALUE words as numbers where they are numbers."""
    result = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            continue
        try:
            result[key] = float(value)
        except ValueError:
            result[key] = value
    return result


def softirq_thread(cpu):
    """The thread that does the network's work when there is too much of it, or 0 where it cannot be seen."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as f:
                if f.read().strip() == f"ksoftirqd/{cpu}":
                    return int(pid)
        except OSError:
            pass
    return 0


def memory_of(pid):
    """Bytes of memory, exactly: the counters in status are behind by some pages per thread."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise Trouble("no Rss in smaps_rollup")


class Server:
    def __init__(self, contender, build, transport="tcp"):
        self.contender = contender
        program = program_of(contender, build)
        self.directory = tempfile.TemporaryDirectory(prefix="ringline-bench-")
        where = f"unix:{self.directory.name}/socket" if transport == "unix" else f"{transport}:127.0.0.1:0"
        self.log = tempfile.TemporaryFile()
        self.process = start([program, *contender.command[1:], "-l", where], SERVER_CPU, stderr=self.log)
        self.pid = self.process.pid
        line = Lines(self.process.stdout, contender.name).next(START_SECONDS)
        prefix = "listening on "
        if not line.startswith(prefix):
            self.kill()
            raise Trouble(f"{contender.name}: \"{line}\" instead of \"{prefix}ADDRESS\"")
        self.address = line[len(prefix):]

    def engines(self):
        """Which engines it has open, as the kernel sees it."""
        found = set()
        with open(f"/proc/{self.pid}/maps", encoding="ascii") as f:
            text = f.read()
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                text += os.readlink(f"/proc/{self.pid}/fd/{fd}")
            except OSError:
                pass
        for engine, name in (("io_uring", "[io_uring]"), ("epoll", "[eventpoll]")):
            if name in text:
                found.add(engine)
        return found

    def memory(self):
        return memory_of(self.pid)

    def check_engine(self):
        engine = self.contender.engine
        if engine not in self.engines():
            raise Trouble(f"{self.contender.name} should run on {engine}, and has none open")

    def end(self):
        """Ends it as its user would, and checks that it ran on what it claims."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Trouble(f"{self.contender.name} did not end on SIGTERM") from None
        self.log.seek(0)
        text = self.log.read().decode(errors="replace")
        self.directory.cleanup()
        if status:
            raise Trouble(f"{self.contender.name} ended with {status}: {text}")
        stats = pairs(text)
        if self.contender.stats and stats.get("engine") != self.contender.engine:
            raise Trouble(f"{self.contender.name} ran on {stats.get('engine')}, not on {self.contender.engine}")
        return stats

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


class Load:
    """A load generator in slice mode. Between commands it is quiet."""

    def __init__(self, server, build, connections, size=64, depth=1, churn=False):
        self.name = f"load of {server.contender.name}"
        self.connections = connections
        program = ["bench/udp-load"] if server.address.startswith("udp:") else ["bench/load", "--slices"]
        command = [os.path.join(build, program[0]), *program[1:], "-a", server.address, "-p", str(server.pid),
                   "-c", str(connections), "-s", str(size), "-d", str(depth)]
        softirq = softirq_thread(SERVER_CPU)
        if softirq:
            command += ["-k", str(softirq)]
        if churn:
            command.append("--churn")
        self.size = size
        self.process = start(command, LOAD_CPU, stdin=subprocess.PIPE)
        self.lines = Lines(self.process.stdout, self.name)
        self.answer(60)

    def answer(self, seconds):
        result = pairs(self.lines.next(seconds))
        if result.get("errors") != 0:
            raise Trouble(f"{self.name}: an error, see above")
        if result["bytes"] != result["requests"] * self.size:
            raise Trouble(f"{self.name}: {result['requests']:.0f} requests of {self.size} bytes, but "
                          f"{result['bytes']:.0f} bytes")
        return result

    def command(self, text, seconds=60):
        self.process.stdin.write(text.encode() + b"\n")
        return self.answer(seconds)

    def check(self, requests, seconds=60):
        """Every byte of *requests* is compared."""
        result = self.command(f"check {requests}", seconds)
        if result["bytes_verified"] != result["bytes"]:
            raise Trouble(f"{self.name}: not every byte was compared")
        return result

    def end(self):
        self.process.stdin.close()
        if self.process.wait(END_SECONDS):
            raise Trouble(f"{self.name} failed")

    def kill(self):
        self.process.kill()
        self.process.wait()


class SystemCalls:
    """Counts the system calls of a process by perf's tracepoint, or by strace where perf may not."""

    def __init__(self, pid):
        self.output = tempfile.NamedTemporaryFile(mode="r", suffix=".txt")
        self.pid = pid

    def perf(self):
        return ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(self.pid), "-o", self.output.name]

    def strace(self):
        return ["strace", "-c", "-f", "-q", "-p", str(self.pid), "-o", self.output.name]

    def around(self, work):
        """(calls, tool, what work() returned), or None if nothing here can count."""
        for tool, command, parse in (("perf", self.perf(), parse_perf), ("strace", self.strace(), parse_strace)):
            try:
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except OSError:
                continue
            time.sleep(0.3)
            if process.poll() is not None:
                continue
            result = work()
            process.send_signal(signal.SIGINT)
            process.wait()
            self.output.seek(0)
            calls = parse(self.output.read())
            if calls is not None:
                return calls, tool, result
        return None


def parse_perf(text):
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("raw_syscalls:sys_enter") and fields[0].isdigit():
            return int(fields[0])
    return None


def parse_strace(text):
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[-1] == "total":
            return int(words[3])
    return None
