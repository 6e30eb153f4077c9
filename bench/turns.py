# SPDX-License-Identifier: MIT
"""Programs that measure themselves, print what they found, and take turns."""
import os
import subprocess

import ratios
import servers

RUN_SECONDS = 120


def said_by(command, seconds=RUN_SECONDS, cpu=None, env=None):
    """The values a program prints."""
    pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False, preexec_fn=pin, env=env)
    if done.returncode:
        raise servers.Trouble(f"{' '.join(command)} ended with {done.returncode}")
    return servers.pairs(done.stdout)


def in_turns(names, rounds, run, counted):
    """CPU for one of what is *counted*, and how many per second, of each in rounds of two runs."""
    series = {name: {"cpu": [], "per_second": []} for name in names}
    for _ in range(rounds):
        said = [(name, run(name)) for name in (*names, *names[::-1])]
        for name in names:
            mine = [s for n, s in said if n == name]
            total = sum(s[counted] for s in mine)
            series[name]["cpu"].append(sum(s["cpu_ns"] for s in mine) / total)
            series[name]["per_second"].append(total * 1e9 / sum(s["wall_ns"] for s in mine))
    return series


def bytes_in_turns(names, rounds, run):
    """CPU per byte and bytes per second of each."""
    return {name: {"cpu_ns_per_kib": 1024 * ratios.median(s["cpu"]), "mib_per_second": ratios.median(s["per_second"]) / 2**20,
                   "rounds": s} for name, s in in_turns(names, rounds, run, "bytes").items()}
