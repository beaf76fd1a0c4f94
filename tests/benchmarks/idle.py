"""What a session that does nothing costs in memory: ``python -m tests.benchmarks.idle --help``.

Opens sessions against one server, then a GET stream in each, and prints how much the process grew,
what a call costs meanwhile, and what is left once the streams are closed, opened and closed again.
Like the other benchmarks it is a measurement and not a test.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from .__main__ import make_database
from .peers import PEERS, Running
from .scenarios import INITIALIZE, INITIALIZED, SCENARIOS, session_headers

T = TypeVar("T")

#: Connections that are opened at the same time.
AT_ONCE = 20
#: Seconds a server gets to finish what it does after the last answer.
SETTLE = 2.0


def main() -> None:
    """Measure each server, one after the other, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.idle")
    parser.add_argument("--servers", default="ours-uvicorn,sdk-sessions")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--server-core", type=int, default=0)
    options = parser.parse_args()
    print(
        "| server | KiB per session | KiB per session with its stream | CPU ms/s while idle |",
        end="",
    )
    print(" call ms meanwhile | KiB per stream after it is closed | after a second time |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="django-mcp-benchmark-") as name:
        database = Path(name) / "notes.sqlite3"
        make_database(database)
        for server in options.servers.split(","):
            with Running(
                PEERS[server], database=database, tools=3, core=options.server_core
            ) as running:
                running.check(SCENARIOS["session"])
                print(asyncio.run(_measured(running, options.streams)), flush=True)


async def _measured(running: Running, count: int) -> str:
    # Once around, so that what is made once is not counted.
    warm = await _in_turns([lambda: _session(running)] * AT_ONCE)
    await _closed(await _in_turns([_opener(running, session) for session in warm]))
    base = running.memory
    sessions = await _in_turns([lambda: _session(running)] * count)
    await asyncio.sleep(SETTLE)
    with_sessions = running.memory
    streams = await _in_turns([_opener(running, session) for session in sessions])
    await asyncio.sleep(SETTLE)
    with_streams, cpu = running.memory, running.cpu
    await asyncio.sleep(SETTLE * 2)
    idle = (running.cpu - cpu) / (SETTLE * 2)
    latency = await _latency(running)
    await _closed(streams)
    after = running.memory
    await _closed(await _in_turns([_opener(running, session) for session in sessions]))
    cells = [
        running.peer.name,
        f"{(with_sessions - base) / count:.1f}",
        f"{(with_streams - base) / count:.1f}",
        f"{idle * 1000:.1f}",
        f"{latency:.2f}",
        f"{(after - with_sessions) / count:.1f}",
        f"{(running.memory - with_sessions) / count:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


async def _in_turns(jobs: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    done: list[T] = []
    for start in range(0, len(jobs), AT_ONCE):
        done += await asyncio.gather(*(job() for job in jobs[start : start + AT_ONCE]))
    return done


async def _latency(running: Running) -> float:
    """The median of a few calls, in milliseconds."""
    took = []
    for number in range(1, 52):
        began = time.perf_counter()
        await asyncio.to_thread(running.ask, SCENARIOS["session"], number)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[len(took) // 2]


async def _session(running: Running) -> str:
    status, headers, _ = await asyncio.to_thread(running.post, INITIALIZE, session_headers())
    if status != 200:
        raise RuntimeError(f"initialize was answered with {status}")
    session = headers["mcp-session-id"]
    await asyncio.to_thread(running.post, INITIALIZED, session_headers(session))
    return session


def _opener(running: Running, session: str) -> Callable[[], Awaitable[asyncio.StreamWriter]]:
    return lambda: _stream(running, session)


async def _stream(running: Running, session: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    headers = {**session_headers(session), "Host": f"127.0.0.1:{running.port}"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET /mcp HTTP/1.1\r\n{lines}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"the stream was answered with {head!r}")
    return writer


async def _closed(writers: Sequence[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.close()
    await asyncio.sleep(SETTLE)


if __name__ == "__main__":
    main()
