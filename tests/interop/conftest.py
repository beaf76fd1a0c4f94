"""The servers of a session, and one test for each kind of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from .sdk_1x.environment import CannotBeMade, interpreter
from .servers import Servers, Site

MODERN = "2026-07-28"
LEGACY = "legacy"
#: What the official client can be told about the revision.
MODES = ["auto", MODERN, LEGACY]
KINDS = ["daphne", "uvicorn", "view", "wsgi"]
STATEFUL = ["daphne", "uvicorn", "view"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Every server there is, started on demand; what they wrote is looked through at the end."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.end()


@pytest.fixture(scope="session")
def sdk_1x() -> Path:
    """The interpreter that has SDK 1.x; the test is skipped where there can be none."""
    try:
        return interpreter()
    except CannotBeMade as error:
        reason = f"There is no environment with SDK 1.x: {error}"
        if os.environ.get("MCP_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each kind of server."""
    return servers.get(request.param)


@pytest.fixture(params=["daphne", "uvicorn", "view", "view-daphne"])
def streaming(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on each kind of server that can stream a response."""
    return servers.get(request.param)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the client finds out what the server speaks: by asking, by being told, or by a handshake,
    which it is answered in the stateful era."""
    return str(request.param)


@pytest.fixture(params=["auto", MODERN])
def stateless(request: pytest.FixtureRequest) -> str:
    """The modes in which a client has no session."""
    return str(request.param)


@pytest.fixture(params=STATEFUL)
def stateful(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """The project on servers whose streams differ, for what there is in the stateful era only."""
    return servers.get(request.param)


@pytest.fixture(
    params=[(kind, mode) for kind in KINDS for mode in MODES if (kind, mode) != ("wsgi", LEGACY)],
    ids="-".join,
)
def connect(request: pytest.FixtureRequest, servers: Servers) -> Callable[..., Client]:
    """Makes a client that can be asked, on each kind of server and in each mode.

    Over WSGI that is only in rounds: a question of the stateful era needs a stream to travel on.
    """
    kind, mode = request.param
    return partial(servers.get(kind).client, mode=mode)


def structured(mode: str, value: Any) -> Any:
    """`value` as a tool's structured content: up to 2025-11-25 that is always an object."""
    return {"result": value} if mode == LEGACY and not isinstance(value, dict) else value
