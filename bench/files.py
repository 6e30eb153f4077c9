# SPDX-License-Identifier: MIT
"""Measurements of files, which are made on the file system of the build directory."""
import contextlib
import filecmp
import json
import mmap
import os
import resource
import struct
import subprocess
import tempfile
import time

import ratios
import rows
from servers import SERVER_CPU, Trouble
from turns import RUN_SECONDS, bytes_in_turns, in_turns, said_by

BLOCK = 4096
PIECE = 1 << 20
DEPTH = 32
NAMES = 10000
MAP_LOCKED = 0x2000

# What may carry reads out on an engine.
CARRIERS = {"io_uring": ("io_uring", "inline"), "epoll": ("inline", "pool")}


def directory_in(stack, build):
    return stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-files-", dir=build))


def make_blocks(path, size):
    """A file on the disk, of blocks that begin with their number."""
    rest = os.urandom(BLOCK - 8)
    with open(path, "wb") as f:
        for number in range(size // BLOCK):
            f.write(struct.pack("=Q", number) + rest)
        f.flush()
        os.fsync(f.fileno())


def make_names(directory):
    """Files named by numbers; each is one byte longer than its name says."""
    os.mkdir(directory)
    for number in range(NAMES):
        with open(f"{directory}/{number}", "wb") as f:
            f.truncate(number + 1)


def there(names, contenders, build, missing):
    """Those that were built, or are installed."""
    found = [n for n in names if os.access(os.path.join(build, contenders[n].command[0]), os.X_OK)]
    missing.update(set(names) - set(found))
    return found


def wanted(row, contenders, options, missing):
    return there([n for n in options.contenders or row.contenders if n in contenders], contenders, options.build, missing)


def run(contender, build, *arguments, cpu=None):
    """What it says, if it ran on what it should."""
    command = [os.path.join(build, contender.command[0]), *contender.command[1:], *arguments]
    said = said_by(command, cpu=cpu, env=dict(os.environ, RINGLINE_BACKEND=contender.engine))
    if said["engine"] != contender.engine:
        raise Trouble(f"{contender.name} ran on {said['engine']}, not on {contender.engine}")
    return said


# --- reads ----------------------------------------------------------------------------------------------------------

def run_fio(contender, path, milliseconds):
    """The same by fio, without what it does besides: choosing each block once, taking times, a session of its own."""
    command = [*contender.command, "--name=read", f"--filename={path}", "--rw=randread", f"--bs={BLOCK}",
               f"--iodepth={DEPTH}", "--ioengine=io_uring", "--direct=1", "--norandommap", "--gtod_reduce=1", "--thread",
               "--time_based", f"--runtime={milliseconds}ms", "--output-format=json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
    if done.returncode:
        raise Trouble(f"fio ended with {done.returncode}")
    job = json.loads(done.stdout)["jobs"][0]
    wall = job["read"]["runtime"] * 1e6
    return {"reads": job["read"]["total_ios"], "wall_ns": wall, "cpu_ns": wall * (job["usr_cpu"] + job["sys_cpu"]) / 100}


@contextlib.contextmanager
def kept_in_memory(path):
    """
    What is in the cache stays there. Where a host takes memory back from its guests pages go though there is plenty, 70 of
    16384 within half a minute, and are read from the disk again. Who may not lock memory does without.
    """
    with open(path, "rb") as file, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED | MAP_LOCKED, mmap.PROT_READ))
        yield


def measure_read(row, options, missing):
    """
    Random reads of one block. On one core: who is not moved about has it easier, and of a disk it matters which core has the
    interrupts.
    """
    direct = row.transport == "direct"
    names = wanted(row, rows.READS, options, missing)
    milliseconds = f"{options.slice * row.stretch:.0f}"
    carriers = {}

    def read(name):
        contender = rows.READS[name]
        if name == "fio":
            return run_fio(contender, path, milliseconds)
        said = run(contender, options.build, path, milliseconds, *["direct"] * direct, cpu=None if contender.free else SERVER_CPU)
        carriers[name] = said.get("by", said["engine"])
        if "by" in said and said["by"] not in CARRIERS[contender.engine]:
            raise Trouble(f"{name}: reads were carried out by {said['by']}")
        return said

    with contextlib.ExitStack() as stack:
        path = f"{directory_in(stack, options.build)}/blocks"
        make_blocks(path, row.size)
        if not direct:
            stack.enter_context(kept_in_memory(path))
        series = in_turns(names, options.rounds, read, "reads")
    return {name: {"cpu_ns_per_read": ratios.median(s["cpu"]), "reads_per_second": ratios.median(s["per_second"]),
                   "by": carriers.get(name, name), "rounds": s} for name, s in series.items()}


# --- looking up -----------------------------------------------------------------------------------------------------

def stat_figures(name, said):
    """What a run has told, by what is compared: the loop, the tasks, all at once, and the quiet echo connection."""
    return {
        f"{name}-loop": {"per_second": said["loop_per_second"]},
        f"{name}-quiet": {"p99": said["quiet_echo_p99_us"], "p50": said["quiet_echo_p50_us"]},
        name: {"per_second": said["tasks_per_second"], "per_second_beside_echo": said["tasks_echo_per_second"],
               "p99": said["tasks_echo_p99_us"], "p50": said["tasks_echo_p50_us"], "by": said["by"]},
        f"{name}-many": {"per_second": said["many_per_second"], "per_second_beside_echo": said["many_echo_per_second"],
                         "p99": said["many_echo_p99_us"], "p50": said["many_echo_p50_us"]},
    }


def measure_stat(row, options, missing):
    """Many names looked up on a worker that has a connection as well. A program's phases take turns by themselves."""
    names = wanted(row, rows.STATS, options, missing)
    result = {}
    with contextlib.ExitStack() as stack:
        directory = f"{directory_in(stack, options.build)}/names"
        make_names(directory)
        for _ in range(options.rounds):
            for name in names:
                said = run(rows.STATS[name], options.build, directory, str(NAMES), f"{options.slice * row.stretch:.0f}")
                for key, values in stat_figures(name, said).items():
                    for metric, value in values.items():
                        result.setdefault(key, {"rounds": {}})["rounds"].setdefault(metric, []).append(value)
    for figures in result.values():
        by = figures["rounds"].pop("by", None)
        figures.update({metric: ratios.median(values) for metric, values in figures["rounds"].items()})
        figures.update({"by": by[0]} if by else {})
    return result


# --- copies ---------------------------------------------------------------------------------------------------------

def children_ns():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


def copy_once(contender, build, source, target, look=False):
    """A process that copies, and what it took. The copy is looked at if that is wanted, and removed."""
    command = [os.path.join(build, contender.command[0]), *contender.command[1:], source, target]
    cpu, wall = children_ns(), time.monotonic_ns()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS, check=False,
                          env=dict(os.environ, RINGLINE_BACKEND=contender.engine))
    wall, cpu = time.monotonic_ns() - wall, children_ns() - cpu
    if done.returncode or contender.engine not in ("none", done.stdout.partition("\n")[0].removeprefix("engine=")):
        raise Trouble(f"{contender.name} ended with {done.returncode}, and said: {done.stdout}")
    size = os.path.getsize(target)
    if size != os.path.getsize(source) or look and not filecmp.cmp(source, target, shallow=False):
        raise Trouble(f"{contender.name}: the copy is another file")
    os.unlink(target)
    return {"bytes": size, "wall_ns": wall, "cpu_ns": cpu}


def measure_copy(row, options, missing):
    """A large file in the page cache, copied to one that does not exist. Fresh memory may cost anything: many rounds."""
    names = wanted(row, rows.COPIES, options, missing)
    with contextlib.ExitStack() as stack:
        directory = directory_in(stack, options.build)
        source, target = f"{directory}/source", f"{directory}/target"
        make_blocks(source, row.requests)
        for name in names:
            copy_once(rows.COPIES[name], options.build, source, target, look=True)
        return bytes_in_turns(names, row.stretch * options.rounds,
                              lambda name: copy_once(rows.COPIES[name], options.build, source, target))
