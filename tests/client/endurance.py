"""Many calls of one client, and what they leave in memory: `python -m tests.client.endurance`.

A server process of its own is started for each way; what is measured is the client's process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
from pathlib import Path
from typing import Any

from django_mcp.client import Client, StdioTransport
from tests.interop.servers import Servers
from tests.pipes import command, environment

SITE = "tests.interop.site.settings"
#: Calls at a time.
TOGETHER = 20
#: Calls after which everything that is kept for good is there.
WARM = 1000


def used() -> tuple[int, int, int]:
    """Objects that are there, tasks, and KiB of the process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(gc.get_objects()), len(asyncio.all_tasks()), pages * 4


async def run(name: str, target: Any, revision: str, calls: int) -> None:
    """Call, and print what is used after `WARM` calls and at the end."""
    async with Client(target, revisions=[revision]) as client:

        async def some(count: int) -> None:
            for start in range(0, count, TOGETHER):
                numbers = range(start, start + TOGETHER)
                results = await asyncio.gather(
                    *(client.call_tool("add", {"a": n, "b": 0}) for n in numbers)
                )
                if [result.text for result in results] != [str(n) for n in numbers]:
                    raise SystemExit(f"{name}: an answer reached another call.")

        await some(WARM)
        before = used()
        await some(calls - WARM)
        after = used()
    print(f"{name} {revision}: objects, tasks, KiB after {WARM}: {before}; {calls}: {after}")


async def main(calls: int, directory: Path) -> None:
    """Every way, one after the other."""
    servers = Servers(directory)
    try:
        site = servers.get("uvicorn")
        for revision in ("2026-07-28", "2025-11-25"):
            await run("http", site.url(), revision, calls)
            await run("stdio", StdioTransport(command(), env=environment(SITE)), revision, calls)
        await run("ws", site.url("ws").replace("http", "ws", 1), "2025-11-25", calls)
    finally:
        servers.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.client.endurance")
    parser.add_argument("--calls", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(main(parser.parse_args().calls, Path(place)))
