"""Our client beside the official SDK's, against the same servers: the scenario ``client``.

Each measurement is a process of its own, ``python -m tests.benchmarks.clients``, which connects,
warms up, and prints what its calls took. Its arguments are the client, the target, the revision and
the number of calls; the target is a URL, or as JSON the command of a server that the client starts,
on the servers' core. What counts is the processor's time: a call waits for the server, and the
server is the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from . import pipes
from .peers import PEERS, Running

#: Calls of one measurement, of which so many are under way at a time, and those before it that do
#: not count.
CALLS: Final = 1_000
AT_ONCE: Final = 16
WARM: Final = 50
#: How a row is called, the revision that is spoken and the server that answers: one of `peers`, or
#: the arguments of one over stdio. The longer a server takes, the less of a call is the client's.
ROWS: Final[tuple[tuple[str, str, str | tuple[str, ...]], ...]] = (
    ("stateless, our server", "2026-07-28", "ours-uvicorn"),
    ("session, our server", "2025-11-25", "ours-uvicorn"),
    ("stateless, the SDK's server", "2026-07-28", "sdk"),
    ("session, the SDK's server", "2025-11-25", "sdk-sessions"),
    ("stateless over stdio, our server", "2026-07-28", pipes.OURS),
    ("session over stdio, our server", "2025-11-25", pipes.OURS),
    ("stateless over stdio, the SDK's server", "2026-07-28", pipes.SDK),
    ("session over stdio, the SDK's server", "2025-11-25", pipes.SDK),
)

Call = Callable[[int], Awaitable[Any]]


async def ours(target: Any, revision: str, measure: Callable[[Call], Awaitable[None]]) -> None:
    """Connect our client, and measure its calls."""
    from django_mcp.client import Client, StdioTransport

    if isinstance(target, list):
        target = StdioTransport(target, env=os.environ)
    async with Client(target, revisions=[revision]) as client:
        await client.list_tools()
        await measure(lambda number: client.call_tool("add", {"a": number, "b": 1}))


async def sdk(target: Any, revision: str, measure: Callable[[Call], Awaitable[None]]) -> None:
    """Connect the official client, and measure its calls."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters

    if isinstance(target, list):
        command, *arguments = target
        target = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    mode = "legacy" if revision < "2026" else revision
    async with Client(target, mode=mode) as client:
        await client.list_tools()
        await measure(lambda number: client.call_tool("add", {"a": number, "b": 1}))


CLIENTS: Final = {"ours": ours, "sdk": sdk}


async def _child(name: str, target: str, revision: str, calls: int) -> None:
    async def measure(call: Call) -> None:
        for number in range(WARM):
            await call(number)
        numbers = iter(range(calls))

        async def work() -> None:
            for number in numbers:
                result = await call(number)
                if result.structured_content not in (number + 1, {"result": number + 1}):
                    raise RuntimeError(f"{name} was answered with {result.structured_content!r}")

        cpu, begun = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        took = time.perf_counter() - begun
        used = time.process_time() - cpu
        print(json.dumps({"cpu": used / calls, "rate": calls / took}))

    await CLIENTS[name](json.loads(target) if target.startswith("[") else target, revision, measure)


def run(options: argparse.Namespace, database: Path) -> None:
    """Measure, and print a table."""
    print(f"\nclient: {options.rounds} rounds of {CALLS} calls\n")
    print("| way | ours CPU µs/call | SDK CPU µs/call | SDK / ours, CPU | ours / SDK, calls/s |")
    print("|---|---:|---:|---:|---:|")
    for label, revision, server in ROWS:
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
        with _target(server, database, options.server_core) as target:
            for round_ in range(options.rounds):
                names = list(CLIENTS) if round_ % 2 else list(reversed(CLIENTS))
                for name in names:
                    command = [name, target, revision, str(CALLS)]
                    seen[name].append(_measured(command, database, options.load_core))
        print(_line(label, seen["ours"], seen["sdk"]), flush=True)


@contextmanager
def _target(server: str | tuple[str, ...], database: Path, core: int) -> Iterator[str]:
    if isinstance(server, str):
        with Running(PEERS[server], database=database, tools=1, core=core) as peer:
            yield f"http://127.0.0.1:{peer.port}/mcp"
    else:
        yield json.dumps(["taskset", "-c", str(core), sys.executable, *server])


def _measured(arguments: list[str], database: Path, core: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.clients", *arguments]
    finished = subprocess.run(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=120,
        env=pipes.environment(database),
    )
    found: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return found


def _line(label: str, ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> str:
    def median(rows: list[dict[str, float]]) -> float:
        return statistics.median(row["cpu"] for row in rows) * 1e6

    pairs = list(zip(ours, theirs, strict=True))
    cpu = statistics.median(their["cpu"] / our["cpu"] for our, their in pairs)
    rate = statistics.median(our["rate"] / their["rate"] for our, their in pairs)
    cells = [label, f"{median(ours):.0f}", f"{median(theirs):.0f}", f"{cpu:.2f}", f"{rate:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    asyncio.run(_child(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
