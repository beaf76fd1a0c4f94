"""Measures our server beside the official SDK's: ``python -m tests.benchmarks --help``.

In every round each server is measured once, in an order that turns from round to round, so that
whatever else the machine does hits all alike; the table has medians over the rounds, and the ratios
are medians of the ratios within a round. The servers run on one core, the load generator on
another. It is a measurement and not a test: it fails only where nothing could be measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from . import clients, pipes
from .load import Load, Sample, measure, missing_tools, wait_until_quiet
from .peers import CLONE, PEERS, DidNotStart, Peer, Running, WrongAnswer
from .scenarios import SCENARIOS, Scenario

#: A measurement counts as disturbed where others took more than this part of the server's core.
DISTURBED = 0.05
#: Names that stand for several servers.
GROUPS = {"floor": ("floor-uvicorn", "floor-daphne")}
DEFAULT_SERVERS = "ours-uvicorn,ours-daphne,sdk,sdk-sessions,floor"

#: The scenario that does not travel over HTTP.
STDIO = "stdio"
#: The one in which clients are measured, and no servers.
CLIENT = "client"

Row = TypeVar("Row")
Samples = dict[str, list[Sample | None]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table for each scenario."""
    options = _options(arguments)
    missing = missing_tools()
    if missing is not None and not set(options.scenarios) <= {STDIO, CLIENT}:
        sys.exit(missing)
    deadline = time.monotonic() + options.limit * 60
    with tempfile.TemporaryDirectory(prefix="django-mcp-benchmark-") as name:
        database = Path(name) / "notes.sqlite3"
        make_database(database)
        for scenario in options.scenarios:
            if scenario == STDIO:
                pipes.run(options, database)
                continue
            if scenario == CLIENT:
                clients.run(options, database)
                continue
            era = "stateful" if scenario.sessions else "stateless"
            peers = [
                peer
                for peer in options.servers
                if era in peer.serves and (scenario.floor or not peer.floor)
            ]
            samples = _rounds(scenario, peers, options, database, deadline)
            _print(scenario, samples, options)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "--scenario",
        dest="scenarios",
        type=_several({**SCENARIOS, STDIO: STDIO, CLIENT: CLIENT}, {}),
        default=",".join([*SCENARIOS, STDIO, CLIENT]),
        help="of %(default)s",
    )
    parser.add_argument(
        "--servers",
        type=_several(PEERS, GROUPS),
        default=DEFAULT_SERVERS,
        help=f"of {', '.join(PEERS)}; default %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="for each measurement")
    parser.add_argument("--conns", type=int, default=16, help="connections; slow has at least 64")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=min(1, (os.cpu_count() or 1) - 1))
    parser.add_argument("--quiet", type=float, default=5, help="seconds to wait for quiet cores")
    parser.add_argument("--tries", type=int, default=3, help="of a measurement that is disturbed")
    parser.add_argument(
        "--limit", type=float, default=20, help="minutes after which no round begins"
    )
    return parser.parse_args(arguments)


def _several(
    rows: Mapping[str, Row], groups: Mapping[str, tuple[str, ...]]
) -> Callable[[str], list[Row]]:
    """A reader of names between commas."""

    def read(text: str) -> list[Row]:
        names = [name for part in text.split(",") for name in groups.get(part, (part,))]
        unknown = [name for name in names if name not in rows]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there is {', '.join(rows)}")
        return [rows[name] for name in dict.fromkeys(names)]

    return read


def make_database(database: Path) -> None:
    """Make the file the servers of one run read from."""
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.site.database"],
        cwd=CLONE,
        env={**os.environ, "BENCHMARK_DATABASE": str(database)},
        check=True,
        timeout=120,
    )


# --------------------------------------------------------------------------------------- measuring


def _rounds(
    scenario: Scenario,
    peers: list[Peer],
    options: argparse.Namespace,
    database: Path,
    deadline: float,
) -> Samples:
    """Every peer's samples, one for each round, None where a measurement failed."""
    load = Load(
        seconds=options.seconds,
        connections=options.conns,
        core=options.load_core,
        server_core=options.server_core,
    )
    samples: Samples = {}
    with ExitStack() as stack:
        running = _started(scenario, peers, options.server_core, database, stack)
        for round_ in range(options.rounds):
            if time.monotonic() > deadline:
                _say(f"{scenario.name}: the time is up after {round_} rounds")
                break
            turn = round_ % max(1, len(running))
            for server in running[turn:] + running[:turn]:
                sample = _sample(server, scenario, load, options, database.parent)
                samples.setdefault(server.peer.name, []).append(sample)
            _say(f"{scenario.name}: round {round_ + 1} of {options.rounds}")
        for server in running:
            _checked(server, scenario)
    return {peer.name: samples[peer.name] for peer in peers if peer.name in samples}


def _started(
    scenario: Scenario, peers: list[Peer], core: int, database: Path, stack: ExitStack
) -> list[Running]:
    """The servers that came up and answer rightly."""
    running = []
    for peer in peers:
        try:
            server = Running(peer, database=database, tools=scenario.tools, core=core)
            stack.enter_context(server)
        except DidNotStart as error:
            _say(str(error))
            continue
        if _checked(server, scenario):
            running.append(server)
    return running


def _checked(server: Running, scenario: Scenario) -> bool:
    try:
        server.check(scenario)
    except (WrongAnswer, OSError) as error:
        _say(f"WRONG: {error}")
        return False
    return True


def _sample(
    server: Running, scenario: Scenario, load: Load, options: argparse.Namespace, directory: Path
) -> Sample | None:
    """The first try that little else disturbed, or else the one that was disturbed least."""
    best: Sample | None = None
    for _ in range(options.tries):
        wait_until_quiet((load.core, load.server_core), options.quiet)
        try:
            sample = measure(server, scenario, load, directory)
        except (WrongAnswer, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            _say(f"FAILED: {error}")
            return None
        if best is None or sample.others < best.others:
            best = sample
        if best.others <= DISTURBED:
            break
    return best


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------- printing

HEAD = (
    "| server | scenario | calls/s | p50 ms | p99 ms | CPU µs/call | x SDK, calls/s "
    "| x SDK, calls per CPU second | x floor, time | x floor, CPU | others on the core |"
)
RULE = "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"


def _print(scenario: Scenario, samples: Samples, options: argparse.Namespace) -> None:
    connections = max(options.conns, scenario.connections)
    print(f"\n{scenario.name}: {options.rounds} rounds of {options.seconds:g} s,", end=" ")
    print(f"{connections} connections\n\n{HEAD}\n{RULE}")
    for name, row in samples.items():
        print(_line(name, scenario, row, samples))
    sys.stdout.flush()


def _line(name: str, scenario: Scenario, row: list[Sample | None], samples: Samples) -> str:
    seen = [sample for sample in row if sample is not None]
    if not seen:
        return f"| {name} | {scenario.name} | failed |"
    reference = samples.get(scenario.reference, [])
    below = samples.get(PEERS[name].below or "", [])
    cells = (
        name,
        scenario.name,
        f"{_median(sample.rate for sample in seen):,.0f}",
        f"{_median(sample.p50 for sample in seen):.2f}",
        f"{_median(sample.p99 for sample in seen):.2f}",
        f"{_median(sample.cpu for sample in seen):,.0f}",
        _ratio((ours.rate / theirs.rate for ours, theirs in _pairs(row, reference))),
        _ratio((theirs.cpu / ours.cpu for ours, theirs in _pairs(row, reference))),
        _ratio((floor.rate / ours.rate for ours, floor in _pairs(row, below))),
        _ratio((ours.cpu / floor.cpu for ours, floor in _pairs(row, below))),
        f"{_median(sample.others for sample in seen):.0%}",
    )
    return f"| {' | '.join(cells)} |"


def _pairs(row: list[Sample | None], other: list[Sample | None]) -> Iterator[tuple[Sample, Sample]]:
    """The samples of the rounds that both have."""
    for one, two in zip(row, other, strict=False):
        if one is not None and two is not None:
            yield one, two


def _ratio(ratios: Iterator[float]) -> str:
    found = list(ratios)
    return f"{statistics.median(found):.2f}" if found else ""


def _median(values: Iterator[float]) -> float:
    return statistics.median(list(values))


if __name__ == "__main__":
    main()
