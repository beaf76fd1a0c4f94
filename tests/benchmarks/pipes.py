"""stdio: how long a process takes to its first answer, and what a call costs then.

Every round starts each server anew, on one core, while the client is on another. Beside the servers
there is `django.setup()` alone, of the same project with django_mcp and without, which is what a
cold start can at best take.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .peers import CLONE, PATIENCE, TICKS, WrongAnswer
from .scenarios import INITIALIZE, INITIALIZED, META, SUM

#: Calls one after the other, and calls of which so many wait for their answers.
CALLS: Final = 2_000
MANY: Final = 5_000
OUTSTANDING: Final = 32
#: Calls before anything is measured.
WARM: Final = 300

#: The arguments of Python for a server over stdio.
OURS: Final = ("-m", "django", "mcp_stdio")
SDK: Final = ("-m", "tests.benchmarks.sdk_stdio")
_SETUP: Final = "import django, os; django.setup(); os._exit(0)"
_WITHOUT: Final = (
    "from tests.benchmarks.site import settings as s; "
    "s.INSTALLED_APPS = [a for a in s.INSTALLED_APPS if a.startswith('django.')]; "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piped:
    """A process by name, and how its client begins; one without a client is only timed."""

    name: str
    arguments: tuple[str, ...]
    era: str = ""
    beside: str = ""


ROWS: Final = (
    Piped(name="ours", arguments=OURS, era="stateless", beside="sdk"),
    Piped(name="sdk", arguments=SDK, era="stateless"),
    Piped(name="ours-session", arguments=OURS, era="stateful", beside="sdk-session"),
    Piped(name="sdk-session", arguments=SDK, era="stateful"),
    Piped(name="django.setup()", arguments=("-c", _SETUP)),
    Piped(name="django.setup() without django_mcp", arguments=("-c", _WITHOUT + _SETUP)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one process was seen to do; times in seconds, of which some are of the processor."""

    start: float
    start_cpu: float
    trip: float = 0.0
    slow_trip: float = 0.0
    rate: float = 0.0
    cpu: float = 0.0


def run(options: argparse.Namespace, database: Path) -> None:
    """Measure, and print a table."""
    seen: dict[str, list[Seen]] = {row.name: [] for row in ROWS}
    with _pinned(options.load_core):
        for round_ in range(options.rounds):
            turn = round_ % len(ROWS)
            for row in ROWS[turn:] + ROWS[:turn]:
                seen[row.name].append(_measured(row, options.server_core, database))
            print(f"stdio: round {round_ + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print(f"\nstdio: {options.rounds} rounds of {CALLS + MANY} calls\n")
    print("| server | start ms | CPU ms | trip µs | p99 µs | calls/s | CPU µs/call |", end="")
    print(" x SDK, start | x SDK, trip | x SDK, calls/s |")
    print(f"|---|{'---:|' * 9}")
    for row in ROWS:
        print(_line(row, seen), flush=True)


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """Keep this process on a core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _line(row: Piped, seen: Mapping[str, list[Seen]]) -> str:
    rows, beside = seen[row.name], seen.get(row.beside, [])
    cells = [
        row.name,
        f"{_median(rows, 'start') * 1e3:.0f}",
        f"{_median(rows, 'start_cpu') * 1e3:.0f}",
    ]
    if row.era:
        cells += [
            f"{_median(rows, 'trip') * 1e6:.0f}",
            f"{_median(rows, 'slow_trip') * 1e6:.0f}",
            f"{_median(rows, 'rate'):,.0f}",
            f"{_median(rows, 'cpu') * 1e6:.0f}",
            *(_ratio(rows, beside, name) for name in ("start", "trip", "rate")),
        ]
    return f"| {' | '.join(cells)} |"


def _median(rows: list[Seen], name: str) -> float:
    return statistics.median(getattr(seen, name) for seen in rows)


def _ratio(rows: list[Seen], beside: list[Seen], name: str) -> str:
    """The median of the ratios within a round."""
    ratios = [
        getattr(ours, name) / getattr(theirs, name)
        for ours, theirs in zip(rows, beside, strict=False)
    ]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def environment(database: Path) -> dict[str, str]:
    """What a process needs to be one of these servers, or to start one."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.site.settings",
        "BENCHMARK_DATABASE": str(database),
        "PYTHONPATH": str(CLONE),
        "PYTHONDONTWRITEBYTECODE": "",
    }


def _measured(row: Piped, core: int, database: Path) -> Seen:
    started = time.perf_counter()
    with subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, *row.arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=CLONE,
        env=environment(database),
    ) as process:
        try:
            if not row.era:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                start = time.perf_counter() - started
                return Seen(start=start, start_cpu=usage.ru_utime + usage.ru_stime)
            return _talked(Client(process, row.era), started)
        finally:
            if process.poll() is None:
                process.stdin.close()
                process.wait(PATIENCE)


def _talked(client: Client, started: float) -> Seen:
    client.begin()
    start, start_cpu = time.perf_counter() - started, client.cpu
    for number in range(WARM):
        client.call(number)
    trips = []
    for number in range(CALLS):
        begun = time.perf_counter()
        client.call(number)
        trips.append(time.perf_counter() - begun)
    trips.sort()
    cpu, begun = client.cpu, time.perf_counter()
    client.call_many(MANY)
    took = time.perf_counter() - begun
    return Seen(
        start=start,
        start_cpu=start_cpu,
        trip=statistics.median(trips),
        slow_trip=trips[int(len(trips) * 0.99)],
        rate=MANY / took,
        cpu=(client.cpu - cpu) / MANY,
    )


class Client:
    """Writes requests to a process, and reads its answers."""

    def __init__(self, process: subprocess.Popen[bytes], era: str) -> None:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._pid = process.pid
        self._era = era
        self._input = process.stdin
        self._output = io.BufferedReader(process.stdout.raw, 65536)  # type: ignore[attr-defined]

    @property
    def cpu(self) -> float:
        """Seconds of CPU the process has used."""
        stat = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def begin(self) -> None:
        """Say the first words, and hear the answer."""
        if self._era == "stateful":
            self._say(INITIALIZE)
            self._hear(b"serverInfo")
            self._say(INITIALIZED)
        else:
            self._say({**INITIALIZE, "method": "server/discover", "params": {"_meta": META}})
            self._hear(b"supportedVersions")

    def call(self, number: int) -> None:
        """Call `add`, and hear the sum."""
        self._input.write(self._request(number))
        self._input.flush()
        self._hear(b"%d" % SUM)

    def call_many(self, count: int) -> None:
        """Call it so often, with so many calls at a time that are not answered yet."""
        requests = [self._request(number) for number in range(count)]
        self._input.write(b"".join(requests[:OUTSTANDING]))
        self._input.flush()
        for number in range(count):
            self._hear(b"%d" % SUM)
            if number + OUTSTANDING < count:
                self._input.write(requests[number + OUTSTANDING])
                self._input.flush()

    def _request(self, number: int) -> bytes:
        params: dict[str, Any] = {"name": "add", "arguments": {"a": number, "b": SUM - number}}
        if self._era == "stateless":
            params["_meta"] = META
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        return json.dumps(message).encode() + b"\n"

    def _say(self, message: Any) -> None:
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()

    def _hear(self, sentinel: bytes) -> None:
        line = self._output.readline()
        if sentinel not in line:
            raise WrongAnswer(f"{sentinel!r} is not in {line!r}")
