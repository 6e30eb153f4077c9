# SPDX-License-Identifier: MIT
"""Measurements of servers of files, asked by wrk from the other core."""
import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time

import ratios
import rows
from servers import (LOAD_CPU, SERVER_CPU, Missing, Trouble, cpu_ns, free_port, memory_of, program_of, softirq_thread,
                     start)

WRK_SECONDS = 1
START_SECONDS = 1      # one of them says nothing when it is there


def make_site(stack, size):
    """A directory with the file, and the reference's configuration for want of its port."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ringline-bench-"))
    os.chmod(directory, 0o755)
    os.mkdir(f"{directory}/root")
    with open(f"{directory}/root/file.bin", "wb") as f:
        f.write(os.urandom(size))
    return directory


def configure(directory, name, port):
    values = {"port": str(port), "directory": directory, "name": name, "nopush": "off" if name == "nginx-push" else "on"}
    with open(os.path.join(os.path.dirname(__file__), "nginx.conf"), encoding="ascii") as f:
        text = f.read()
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    with open(f"{directory}/{name}.conf", "w", encoding="ascii") as f:
        f.write(text)


def worker_of(process):
    """The process that works: the only child, if there is one."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as f:
        children = f.read().split()
    return int(children[0]) if children else process.pid


def start_server(stack, name, directory, build):
    """The process to look at, and its port."""
    command = rows.HTTP[name].command
    port = free_port()
    program = program_of(rows.HTTP[name], build)
    configure(directory, name, port)
    process = start([program, *(w.format(port=port, directory=directory) for w in command[1:])], SERVER_CPU)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    time.sleep(START_SECONDS)
    if process.poll() is not None:
        raise Trouble(f"{name} ended with {process.returncode}")
    return worker_of(process), port


def start_all(stack, row, options, missing):
    servers = {}
    directory = make_site(stack, row.size)
    for name in [n for n in options.contenders or row.contenders if n in rows.HTTP]:
        try:
            servers[name] = start_server(stack, name, directory, options.build)
        except Missing:
            missing.add(name)
    return servers


# --- load -----------------------------------------------------------------------------------------------------------

def work_ns(pid):
    """What the server takes of the processor, with what the thread of the network's interrupts does for it on its core."""
    softirq = softirq_thread(SERVER_CPU)
    return cpu_ns(pid) + (cpu_ns(softirq) if softirq else 0)


def children_ns():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


def ask(row, name, pid, port):
    before = work_ns(pid)
    load_before = children_ns()
    done = subprocess.run(["wrk", "-t", "1", "-c", str(row.connections), "-d", str(WRK_SECONDS),
                           f"http://127.0.0.1:{port}/file.bin"], stdout=subprocess.PIPE, text=True, timeout=60, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}))
    used = work_ns(pid) - before
    load = children_ns() - load_before
    said = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if not said or int(said[1]) == 0 or re.search("Socket errors|Non-2xx", done.stdout):
        raise Trouble(f"{name} did not answer everything: {done.stdout}")
    return {"requests": int(said[1]), "seconds": float(said[2]), "cpu_ns": used, "both_ns": used + load}


def figures(row, slices):
    """CPU per request, of the server and of both sides, and requests per second in each round, which is two slices."""
    cpu, both, rate = [], [], []
    for a, b in zip(slices[::2], slices[1::2]):
        requests = a["requests"] + b["requests"]
        cpu.append((a["cpu_ns"] + b["cpu_ns"]) / 1000 / requests)
        both.append((a["both_ns"] + b["both_ns"]) / 1000 / requests)
        rate.append(requests / (a["seconds"] + b["seconds"]))
    return {"cpu_us": ratios.median(cpu), "both_us": ratios.median(both),
            "cpu_ns_per_kib": ratios.median(cpu) * 1000 * 1024 / row.size,
            "requests_per_second": ratios.median(rate),
            "busy": ratios.median([s["cpu_ns"] / 1e9 / s["seconds"] for s in slices]),
            "rounds": {"cpu": cpu, "both": both, "per_second": rate}}


def measure_load(row, options, missing):
    """One file, asked for again and again."""
    with contextlib.ExitStack() as stack:
        servers = start_all(stack, row, options, missing)
        if not shutil.which("wrk"):
            missing.add("wrk")
            return {}
        series = {name: [] for name in servers}
        for name in servers:
            ask(row, name, *servers[name])
        for _ in range(options.rounds):
            for name in (*servers, *reversed(servers)):
                series[name].append(ask(row, name, *servers[name]))
        return {name: figures(row, slices) for name, slices in series.items()}


# --- memory ---------------------------------------------------------------------------------------------------------

def keep_alive(port, size):
    """A connection that had one request."""
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /file.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
    head, body = b"", b""
    while len(body) < size:
        data = s.recv(65536)
        if not data:
            raise Trouble("a connection was closed")
        head += data
        body = head.partition(b"\r\n\r\n")[2]
    return s


def measure_memory(row, options, missing):
    """So many connections that had a request each, on one server after the other."""
    result = {}
    with contextlib.ExitStack() as stack:
        for name, (pid, port) in start_all(stack, row, options, missing).items():
            for _ in range(5):
                keep_alive(port, row.size).close()
            time.sleep(0.5)
            before = memory_of(pid)
            connections = [keep_alive(port, row.size) for _ in range(row.connections)]
            time.sleep(0.5)
            grown = memory_of(pid) - before
            for s in connections:
                s.close()
            result[name] = {"process_bytes": before, "bytes_per_connection": grown / row.connections}
    return result
