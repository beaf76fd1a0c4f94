"""The servers that are measured: one row each, how one is started, asked and ended.

A server is one process, pinned to a core, on a free port of 127.0.0.1. Only processes started here
are ended, by their id.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from .scenarios import INITIALIZE, INITIALIZED, Scenario, session_headers

CLONE: Final = Path(__file__).resolve().parent.parent.parent
TICKS: Final = os.sysconf("SC_CLK_TCK")
#: Seconds a server has to start listening, and to go once it is told to.
PATIENCE: Final = 30.0

_OURS = "tests.benchmarks.site.asgi:application"
_SDK = "tests.benchmarks.sdk:application"
_FLOOR = "tests.benchmarks.floor:application"
_SITE = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.site.settings"}


def _uvicorn(application: str) -> tuple[str, ...]:
    options = "--loop uvloop --http httptools --log-level warning --no-access-log"
    return ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", *options.split(), application)


def _daphne(application: str) -> tuple[str, ...]:
    return ("daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0", application)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server by name: the module that is run and its arguments.

    `floor` marks a bare consumer; `below` is the name of the one that has the same web server.
    `serves` says to which eras of the protocol it is asked to answer.
    """

    name: str
    command: tuple[str, ...]
    below: str | None = None
    floor: bool = False
    serves: tuple[str, ...] = ("stateless", "stateful")
    environment: tuple[tuple[str, str], ...] = ()


_PEERS: Final = (
    Peer(name="ours-uvicorn", command=_uvicorn(_OURS), below="floor-uvicorn"),
    Peer(name="ours-daphne", command=_daphne(_OURS), below="floor-daphne"),
    Peer(name="sdk", command=_uvicorn(_SDK), serves=("stateless",)),
    # Its default: sessions in memory, and every answer a stream.
    Peer(
        name="sdk-sessions",
        command=_uvicorn(_SDK),
        serves=("stateful",),
        environment=(("BENCHMARK_SESSIONS", "1"),),
    ),
    Peer(name="floor-uvicorn", command=_uvicorn(_FLOOR), floor=True, serves=("stateless",)),
    Peer(name="floor-daphne", command=_daphne(_FLOOR), floor=True, serves=("stateless",)),
)
PEERS: Final = {peer.name: peer for peer in _PEERS}


class Answer(NamedTuple):
    """One HTTP response; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Running:
    """A server that listens; a context manager that ends it."""

    def __init__(self, peer: Peer, *, database: Path, tools: int, core: int) -> None:
        self.peer = peer
        self.sessions: list[str] = []
        self.port = _free_port()
        self._log = database.with_name(f"{peer.name}.log")
        environment = {
            **os.environ,
            **_SITE,
            "BENCHMARK_DATABASE": str(database),
            "BENCHMARK_TOOLS": str(tools),
            **dict(peer.environment),
        }
        arguments = [part.format(port=self.port) for part in peer.command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), sys.executable, "-m", *arguments],
                cwd=CLONE,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Running:
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)

    @property
    def cpu(self) -> float:
        """Seconds of CPU the process has used, its threads included."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> float:
        """KiB of memory that are this process's own."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return float(
            next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]
        )

    def check(self, scenario: Scenario) -> None:
        """Ask for three answers and raise WrongAnswer unless each is right to the last detail."""
        self.open_sessions(scenario)
        for number in (1, 500, 999):
            result = self.ask(scenario, number)
            if self.peer.floor:
                continue
            try:
                scenario.verify(number, result)
            except (ValueError, LookupError, TypeError) as error:
                raise WrongAnswer(f"{self.peer.name}, {scenario.name}: {error!r}") from error

    def open_sessions(self, scenario: Scenario) -> None:
        """Open the sessions that the requests of a scenario belong to, unless they are open."""
        while len(self.sessions) < scenario.sessions:
            opened = self.post(INITIALIZE, session_headers())
            session = opened.headers.get("mcp-session-id")
            if opened.status != 200 or not session:
                raise WrongAnswer(f"{self.peer.name}: no session, {opened.status} {opened.body!r}")
            self.post(INITIALIZED, session_headers(session))
            self.sessions.append(session)

    def post(self, message: dict[str, Any], headers: dict[str, str]) -> Answer:
        """What the server answers to one message."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/mcp", json.dumps(message).encode(), headers)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def ask(self, scenario: Scenario, number: int) -> dict[str, Any]:
        """The result of the request with that number; raises WrongAnswer for any other answer."""
        headers = scenario.headers(number, self.sessions)
        status, _, answer = self.post(scenario.message(number), headers)
        seen = f"{self.peer.name}, {scenario.name}: {status} {answer[:300]!r}"
        if status != 200 or scenario.sentinel.encode() not in answer:
            raise WrongAnswer(seen)
        # An answer that is a stream has one message, whatever came before it.
        messages = re.findall(rb"^data: ({.*})\r?$", answer, re.MULTILINE)
        message = json.loads(messages[-1] if messages else answer)
        if "result" not in message or (message["id"] != number and not self.peer.floor):
            raise WrongAnswer(seen)
        result: dict[str, Any] = message["result"]
        return result

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                log = self._log.read_text(errors="replace")[-2000:]
                raise DidNotStart(f"{self.peer.name} ended at once:\n{log}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise DidNotStart(f"{self.peer.name} did not listen within {PATIENCE:.0f} seconds.")


class DidNotStart(Exception):
    """A server did not come up; the message ends with what it said."""


class WrongAnswer(Exception):
    """A server answered something else than was asked for."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
