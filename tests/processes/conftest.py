"""Two processes of the site, for every test that only talks to them, or for one that ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.services import Postgres, Redis

from . import shared
from .workers import SERVERS, Worker, workers

APPLICATION: Final = "tests.processes.site.asgi:application"
SETTINGS: Final = "tests.processes.site.settings"


class Pair(NamedTuple):
    """Two processes, and what they have in their environment."""

    a: Worker
    b: Worker
    environment: Mapping[str, str]


Start = Callable[[str, Mapping[str, str]], Pair]


@pytest.fixture(scope="session")
def together(postgres: Postgres, redis: Redis) -> dict[str, str]:
    """The environment of processes that share a database and a channel layer."""
    found = shared.environment(postgres, redis)
    shared.migrate(SETTINGS, found)
    return found


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> str:
    """Every ASGI server, one after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def pairs(together: dict[str, str], tmp_path_factory: Any) -> Iterator[Callable[[str], Pair]]:
    """Starts a pair for each server, for all tests; in the end, they must be well."""
    started: dict[str, Pair] = {}
    with ExitStack() as stack:

        def pair(server: str) -> Pair:
            if server not in started:
                logs = tmp_path_factory.mktemp("workers")
                started[server] = _start(stack, server, together, logs)
            return started[server]

        yield pair
        for found in started.values():
            found.a.check()
            found.b.check()


@pytest.fixture
def pair(server: str, pairs: Callable[[str], Pair]) -> Pair:
    """Two processes that share everything, for a test that leaves them as they are."""
    return pairs(server)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a pair for one test, which may do to them what it likes."""
    with ExitStack() as stack:

        def start(server: str, environment: Mapping[str, str]) -> Pair:
            return _start(stack, server, environment, tmp_path)

        yield start


def _start(stack: ExitStack, server: str, environment: Mapping[str, str], logs: Path) -> Pair:
    a, b = stack.enter_context(workers(2, server, APPLICATION, logs, environment))
    return Pair(a, b, environment)
