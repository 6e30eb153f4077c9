# SPDX-License-Identifier: MIT
"""Measurements of servers of blocks, asked by fio from the other core."""
import contextlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import tempfile
import time

import ratios
import rows
from servers import (END_SECONDS, LOAD_CPU, SERVER_CPU, START_SECONDS, Missing, Trouble, cpu_ns, free_port, pairs, program_of,
                     start)
from turns import in_turns

FILE_BYTES = 256 << 20
LOAD_SECONDS = 1
PATIENCE = 60


class BlockServer:
    """A server of the file, which is in the cache."""

    def __init__(self, name, row, directory, build):
        self.contender = rows.NBD[name]
        program = program_of(self.contender, build)
        if row.transport == "unix":
            where = f"{directory}/{name}"
            words = {"flag": "-U", "where": where, "listen": f"unix:{where}"}
            self.uri = f"nbd+unix:///?socket={where}"
        else:
            port = free_port()
            words = {"flag": "-p", "where": port, "listen": f"tcp:127.0.0.1:{port}"}
            self.uri = f"nbd://127.0.0.1:{port}/"
        command = [program, *(w.format(file=f"{directory}/file", **words) for w in self.contender.command[1:])]
        self.log = tempfile.TemporaryFile()
        self.process = start(command, SERVER_CPU, stderr=self.log)
        self.await_greeting()

    def await_greeting(self):
        """One of them says nothing when it is there."""
        end = time.monotonic() + START_SECONDS
        while subprocess.run(["nbdinfo", "--size", self.uri], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             check=False).returncode:
            if time.monotonic() > end or self.process.poll() is not None:
                self.kill()
                raise Trouble(f"{self.contender.name} does not serve")

    def end(self):
        """Ends it as its user would, and checks that it ran on what it claims."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.contender.name} did not end on SIGTERM") from None
        self.log.seek(0)
        stats = pairs(self.log.read().decode(errors="replace"))
        if self.contender.engine != "none" and (status or stats.get("engine") != self.contender.engine):
            raise Trouble(f"{self.contender.name} ended with {status}, and ran on {stats.get('engine')}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def run_fio(row, server):
    """Requests, and for how long there were some.

    fio takes its buffers from malloc(), 16 bytes into a page, unless the I/O is direct. Processors that copy by REP MOVSB take four
    times as long to copy a page there from the start of another (https://sourceware.org/bugzilla/show_bug.cgi?id=30994, on AMD),
    as they do for what comes out of sendfile(2), and that is all the row would measure. So the buffers are aligned, as those of
    the kernel's and qemu's clients are.
    """
    before = cpu_ns(server.process.pid)
    done = subprocess.run(["fio", "--name=nbd", "--ioengine=nbd", f"--uri={server.uri}", f"--rw={row.access}",
                           f"--bs={row.size}", f"--iodepth={row.depth}", f"--size={FILE_BYTES}", "--norandommap",
                           f"--iomem_align={mmap.PAGESIZE}", "--gtod_reduce=1", "--time_based", f"--runtime={LOAD_SECONDS}",
                           "--output-format=json"],
                          stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}))
    used = cpu_ns(server.process.pid) - before
    if done.returncode:
        raise Trouble(f"fio ended with {done.returncode}")
    read = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]["read"]
    return {"requests": read["total_ios"], "wall_ns": read["runtime"] * 1e6, "cpu_ns": used}


def make_file(directory):
    with open(f"{directory}/file", "wb") as f:
        for _ in range(FILE_BYTES >> 20):
            f.write(os.urandom(1 << 20))


def start_all(stack, row, options, missing):
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ringline-bench-"))
    make_file(directory)
    servers = {}
    for name in [n for n in options.contenders or row.contenders if n in rows.NBD]:
        try:
            servers[name] = BlockServer(name, row, directory, options.build)
            stack.callback(servers[name].kill)
        except Missing:
            missing.add(name)
    return servers


def measure(row, options, missing):
    """Requests per second, and processor time for each."""
    tools = {"fio", "nbdinfo"} - {t for t in ("fio", "nbdinfo") if shutil.which(t)}
    missing.update(tools)
    if tools:
        return {}
    with contextlib.ExitStack() as stack:
        servers = start_all(stack, row, options, missing)
        series = in_turns(tuple(servers), options.rounds, lambda name: run_fio(row, servers[name]), "requests")
        for server in servers.values():
            server.end()
    return {name: {"cpu_us": ratios.median(s["cpu"]) / 1000, "requests_per_second": ratios.median(s["per_second"]),
                   "rounds": s} for name, s in series.items()}
