"""A peer that is a program: its command for stdio, and one process of it that listens."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.servers import PATIENCE, PAUSE

PEERS = Path(__file__).resolve().parent
SDK_SERVER = PEERS / "sdk_server.py"
FASTMCP_SERVER = PEERS / "fastmcp_server.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where the server listens, and the command that starts another one over stdio."""

    url: str
    command: list[str]


@contextmanager
def running(
    command: Sequence[str],
    logs: Path,
    *,
    stdio: Sequence[str] = ("stdio",),
    http: Sequence[str] = ("{port}",),
    env: Mapping[str, str] | None = None,
) -> Iterator[Peer]:
    """A process of the peer; `stdio` and `http` are its arguments for each way.

    Raises RuntimeError with what it wrote where it does not listen in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [part.format(port=port) for part in http]
    log = logs / "peer.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PORT": str(port), **(env or {})},
        )
    try:
        _until_it_listens(process, port, log)
        yield Peer(url=f"http://127.0.0.1:{port}/mcp", command=[*command, *stdio])
    finally:
        # Whether it ends well is its own affair.
        process.kill()
        process.wait()


def _until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(int(PATIENCE / PAUSE)):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(PAUSE)
        else:
            return
    raise RuntimeError(f"The peer does not listen: {log.read_text(errors='replace')[-2000:]}")
