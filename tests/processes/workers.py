"""Server processes: started one by one, ended by their id.

What they serve is an ASGI application by its dotted name; what several of them share is `shared`.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.services import HOST, PATIENCE, free_port

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent

#: How each ASGI server is told where to listen.
SERVERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "daphne": "daphne --verbosity 1 --bind {host} --port {port}",
        "uvicorn": "uvicorn --log-level warning --host {host} --port {port}",
    }
)
#: What no server has a reason to write.
COMPLAINTS: Final = ("Traceback", "Warning", "never awaited", "never retrieved", "destroyed but")
#: Seconds between two looks whether a server listens.
PAUSE: Final = 0.05


class DidNotStart(Exception):
    """A server ended, or never listened; the text is what it wrote."""


def command(server: str, host: str, port: int, application: str) -> list[str]:
    """The command that serves `application`."""
    filled = SERVERS[server].format(host=host, port=port)
    return [sys.executable, "-W", "default", "-m", *filled.split(), application]


class Complained(Exception):
    """A server ended by itself, or wrote what it has no reason to; the text is what it wrote."""


class Worker:
    """One process that serves an application. What it writes goes to the file `log`."""

    def __init__(
        self, server: str, application: str, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command(server, HOST, self.port, application),
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> str:
        """What the process has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def has_ended(self) -> bool:
        """True where the process is gone."""
        return self._process.poll() is not None

    @property
    def url(self) -> str:
        """Where its endpoint is."""
        return f"http://{HOST}:{self.port}/mcp"

    def wait_until_it_listens(self) -> None:
        """Return once the server answers anything at all; raises DidNotStart if it never does."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not self.has_ended:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
            try:
                connection.request("GET", "/mcp")
                connection.getresponse().read()
            except ConnectionError:
                time.sleep(PAUSE)
            else:
                return
            finally:
                connection.close()
        raise DidNotStart(f"The server did not start:\n{self.log}")

    def check(self) -> None:
        """Raise Complained where the process has ended, or wrote what it has no reason to."""
        if self.has_ended or any(word in self.log for word in COMPLAINTS):
            raise Complained(f"A server {'ended' if self.has_ended else 'wrote'}:\n{self.log}")

    def kill(self) -> None:
        """End the process as `kill -9` does, without a chance to say anything."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE)

    def end(self) -> None:
        """End the process, in whatever state it is."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def workers(
    count: int,
    server: str,
    application: str,
    logs: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[list[Worker]]:
    """`count` processes that listen, and end with the block; raises DidNotStart.

    What they write goes to files in `logs`, and `environment` is added to this process's own.
    """
    with ExitStack() as stack:
        started = []
        for number in range(1, count + 1):
            log = logs / f"{server}-{number}.log"
            worker = Worker(server, application, log, environment)
            stack.callback(worker.end)
            started.append(worker)
        for worker in started:
            worker.wait_until_it_listens()
        yield started
