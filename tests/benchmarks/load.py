"""Requests in numbers: one run of wrk against one server, and what it cost the server.

wrk sends the next request on a connection as soon as the answer is there, and load.lua looks at
every answer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .peers import TICKS, Running, WrongAnswer
from .scenarios import INITIALIZE, INITIALIZED, REQUESTS, Scenario, session_headers

SCRIPT: Final = Path(__file__).with_name("load.lua")
LIVES: Final = Path(__file__).with_name("lives.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One server under one scenario in one round; latencies in milliseconds.

    `cpu` is the server's CPU time for one call in microseconds, `others` the part of its core that
    anything else took meanwhile.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How hard and how long to ask, and from which core."""

    seconds: float
    connections: int
    core: int
    server_core: int


def missing_tools() -> str | None:
    """What is missing on this machine and how to get it, or None."""
    if not Path("/proc/self/stat").exists():
        return "The benchmark needs Linux: it reads the servers' CPU time from /proc."
    if shutil.which("wrk") is None:
        return "wrk, the load generator, is missing: apt-get install wrk"
    if shutil.which("taskset") is None:
        return "taskset, which pins a process to a core, is missing: apt-get install util-linux"
    return None


def measure(running: Running, scenario: Scenario, load: Load, directory: Path) -> Sample:
    """Run the scenario against the server once; raises WrongAnswer if any answer was not right."""
    prepared = directory / "requests.lua"
    prepared.write_text(_prepared(scenario, running))
    connections = max(load.connections, scenario.connections)
    # A thread of wrk has one state, and each connection lives a life of its own.
    threads, script = (connections, LIVES) if scenario.lives else (1, SCRIPT)
    command = ["taskset", "-c", str(load.core), "wrk", "--timeout", "20s", "-t", str(threads)]
    command += ["-c", str(connections), "-d", f"{load.seconds:g}s", "-s", str(script)]
    began, cpu, busy = time.monotonic(), running.cpu, _busy(load.server_core)
    finished = subprocess.run(
        [*command, f"http://127.0.0.1:{running.port}/mcp"],
        env={**os.environ, "BENCHMARK_REQUESTS": str(prepared)},
        capture_output=True,
        text=True,
        timeout=load.seconds + 60,
        check=False,
    )
    used, took = running.cpu - cpu, time.monotonic() - began
    others = (_busy(load.server_core) - busy - used) / took
    return _sample(finished, f"{running.peer.name}, {scenario.name}", used, others)


def wait_until_quiet(cores: tuple[int, ...], patience: float) -> None:
    """Return when the cores have little else to do, or after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = [_busy(core) for core in cores]
        time.sleep(0.25)
        if all(_busy(core) - was < 0.05 for core, was in zip(cores, before, strict=True)):
            return


def _sample(
    finished: subprocess.CompletedProcess[str], whose: str, used: float, others: float
) -> Sample:
    line = re.search(r"^RESULT\t(.*)$", finished.stdout, re.MULTILINE)
    if line is None:
        raise RuntimeError(f"wrk failed: {finished.stdout[-500:]} {finished.stderr[-500:]}")
    calls, duration, p50, p99, failed, wrong, seen = line[1].split("\t")
    if int(failed) or int(wrong) or not int(calls):
        raise WrongAnswer(f"{whose}: {wrong} wrong answers, {failed} failed requests. {seen}")
    return Sample(
        rate=int(calls) / int(duration) * 1e6,
        p50=float(p50) / 1000,
        p99=float(p99) / 1000,
        cpu=used / int(calls) * 1e6,
        others=max(0.0, others),
    )


def _prepared(scenario: Scenario, running: Running) -> str:
    sentinel = f"sentinel={_lua(scenario.sentinel.encode())}"
    if scenario.lives:
        steps = {
            "initialize": INITIALIZE,
            "initialized": INITIALIZED,
            "call": scenario.message(1),
        }
        bodies = ", ".join(f"{k}={_lua(json.dumps(v).encode())}" for k, v in steps.items())
        headers = ", ".join(
            f"[{_lua(k.encode())}]={_lua(v.encode())}" for k, v in session_headers("").items()
        )
        return f"return {{{sentinel}, {bodies}, headers={{{headers}}}}}\n"
    numbers = range(1, REQUESTS + 1)
    requests = (scenario.request(n, running.port, running.sessions) for n in numbers)
    listed = ",\n".join(map(_lua, requests))
    return f"return {{{sentinel}, requests={{\n{listed}}}}}\n"


def _lua(text: bytes) -> str:
    """A Lua string of these bytes."""
    return '"' + "".join(_PLAIN.get(byte) or f"\\{byte:03d}" for byte in text) + '"'


_PLAIN: Final = {byte: chr(byte) for byte in range(32, 127) if chr(byte) not in '"\\'}


def _busy(core: int) -> float:
    """Seconds since boot that the core was not idle, whoever used it."""
    line = re.search(rf"^cpu{core} (.*)$", Path("/proc/stat").read_text(), re.MULTILINE)
    if line is None:
        raise RuntimeError(f"This machine has no core {core}.")
    ticks = [int(value) for value in line[1].split()]
    return (sum(ticks[:3]) + sum(ticks[5:8])) / TICKS
