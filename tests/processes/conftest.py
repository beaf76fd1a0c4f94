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


@pytest.fixture(scope="session")
def start_for_all(tmp_path_factory: Any) -> Iterator[Start]:
    """Starts pairs that live as long as the tests run; in the end, they must have been content."""
    pairs: dict[tuple[str, str], Pair] = {}
    with ExitStack() as stack:

        def start(server: str, environment: Mapping[str, str]) -> Pair:
            key = (server, environment.get(shared.VARIABLE, ""))
            if key not in pairs:
                logs = tmp_path_factory.mktemp("workers")
                pairs[key] = _start(stack, server, environment, logs)
            return pairs[key]

        yield start
        for pair in pairs.values():
            pair.a.check()
            pair.b.check()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a pair for one test, which may end them."""
    with ExitStack() as stack:

        def start(server: str, environment: Mapping[str, str]) -> Pair:
            return _start(stack, server, environment, tmp_path)

        yield start


def _start(stack: ExitStack, server: str, environment: Mapping[str, str], logs: Path) -> Pair:
    a, b = stack.enter_context(workers(2, server, APPLICATION, logs, environment))
    return Pair(a, b, environment)


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> str:
    """Every ASGI server, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def pair(server: str, together: dict[str, str], start_for_all: Start) -> Pair:
    """Two processes that share everything."""
    return start_for_all(server, together)
