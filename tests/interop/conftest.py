"""The servers of a session, and one test for each kind of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import Servers, Site

MODERN = "2026-07-28"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Every server there is, started on demand; what they wrote is looked through at the end."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.end()


@pytest.fixture(params=["daphne", "uvicorn", "view", "wsgi"])
def site(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each kind of server."""
    return servers.get(request.param)


@pytest.fixture(params=["daphne", "uvicorn", "view", "view-daphne"])
def streaming(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each kind of server that can stream a response."""
    return servers.get(request.param)


@pytest.fixture(params=["auto", MODERN])
def mode(request: pytest.FixtureRequest) -> str:
    """How the client finds out what the server speaks: by asking, or by being told."""
    return str(request.param)
