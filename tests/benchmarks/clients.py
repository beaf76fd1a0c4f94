"""Our client beside the official SDK's, against the same servers: the scenario ``client``.

Each measurement is a process of its own, ``python -m tests.benchmarks.clients CLIENT URL CALLS``,
which connects, warms up, and prints what its calls took. What counts is the processor's time: a
call waits for the server, and the server is the same.
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

#: Calls of one measurement, one after the other, and as many before it that do not count.
CALLS: Final = 400
WARM: Final = 50
#: How a row is called, the revision that is spoken and the server that answers. The longer a server
#: takes, the less of a call is the client's.
ROWS: Final = (
    ("stateless, our server", "2026-07-28", "ours-uvicorn"),
    ("session, our server", "2025-11-25", "ours-uvicorn"),
    ("stateless, the SDK's server", "2026-07-28", "sdk"),
    ("session, the SDK's server", "2025-11-25", "sdk-sessions"),
)

Call = Callable[[int], Awaitable[Any]]


async def ours(url: str, revision: str, measure: Callable[[Call], Awaitable[None]]) -> None:
    """Connect our client, and measure its calls."""
    from django_mcp.client import Client

    async with Client(url, revisions=[revision]) as client:
        await client.list_tools()
        await measure(lambda number: client.call_tool("add", {"a": number, "b": 1}))


async def sdk(url: str, revision: str, measure: Callable[[Call], Awaitable[None]]) -> None:
    """Connect the official client, and measure its calls."""
    from mcp import Client

    mode = "legacy" if revision < "2026" else revision
    async with Client(url, mode=mode) as client:
        await client.list_tools()
        await measure(lambda number: client.call_tool("add", {"a": number, "b": 1}))


CLIENTS: Final = {"ours": ours, "sdk": sdk}


async def _child(name: str, url: str, revision: str, calls: int) -> None:
    async def measure(call: Call) -> None:
        for number in range(WARM):
            await call(number)
        cpu, begun = time.process_time(), time.perf_counter()
        for number in range(calls):
            result = await call(number)
        took = time.perf_counter() - begun
        used = time.process_time() - cpu
        if result.structured_content != {"result": calls} and result.structured_content != calls:
            raise RuntimeError(f"{name} was answered with {result.structured_content!r}")
        print(json.dumps({"cpu": used / calls, "rate": calls / took}))

    await CLIENTS[name](url, revision, measure)


def run(options: argparse.Namespace, database: Path) -> None:
    """Measure, and print a table."""
    from .peers import PEERS, Running

    print(f"\nclient: {options.rounds} rounds of {CALLS} calls\n")
    print("| way | ours CPU µs/call | SDK CPU µs/call | SDK / ours, CPU | ours / SDK, calls/s |")
    print("|---|---:|---:|---:|---:|")
    for label, revision, server in ROWS:
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
        with Running(PEERS[server], database=database, tools=1, core=options.server_core) as peer:
            url = f"http://127.0.0.1:{peer.port}/mcp"
            for round_ in range(options.rounds):
                names = list(CLIENTS) if round_ % 2 else list(reversed(CLIENTS))
                for name in names:
                    seen[name].append(_measured(name, url, revision, options.load_core))
        print(_line(label, seen["ours"], seen["sdk"]), flush=True)


def _measured(name: str, url: str, revision: str, core: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.clients", name, url, revision, str(CALLS)]
    finished = subprocess.run(
        ["taskset", "-c", str(core), *command],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent)},
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
