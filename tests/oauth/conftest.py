"""A site with an MCP server that tokens let into, and the people and programs around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.handlers.asgi import ASGIHandler
from django.urls import clear_url_caches

from django_mcp import Context, MCPServer, endpoints
from django_mcp.oauth.authentication import bearer
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.broker import InMemoryBroker
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions
from tests.conversations.talk import Client
from tests.doors import AsgiDoor, Reply, envelope
from tests.oauth.identity_provider import IdentityProvider, identity_provider
from tests.oauth.people import Person, Program


@pytest.fixture(autouse=True)
def _site(settings: Any, db: None) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.oauth.urls"
    settings.DJANGO_MCP_OAUTH = {"REGISTRATIONS_PER_HOUR": 1000}
    clear_url_caches()
    cache.clear()
    endpoints._served.clear()
    yield
    endpoints._served.clear()
    cache.clear()


def server_named(name: str) -> MCPServer:
    return MCPServer(
        name,
        sessions=InMemorySessions(),
        events=InMemoryEvents(),
        broker=InMemoryBroker(),
    )


@pytest.fixture
def server() -> MCPServer:
    """A server with something to read, something to write, and something of its own."""
    made = server_named("desk")
    made.title = "The Desk"

    @made.tool(read_only=True)
    def look() -> str:
        """Look."""
        return "seen"

    @made.tool
    def write(text: str) -> str:
        """Write."""
        return f"wrote {text}"

    @made.tool(scopes=["desk:lend", "desk:stamp"])
    def lend() -> str:
        """Lend."""
        return "lent"

    @made.tool(scopes=[])
    def hello(ctx: Context) -> str:
        """Greet."""
        return f"{ctx.user} {ctx.principal.client_id}"

    @made.tool(read_only=True, permission="auth.change_user")
    def people() -> str:
        """Tell who there is."""
        return "everybody"

    @made.resource("desk://paper")
    def paper() -> str:
        return "blank"

    @made.resource("desk://drawer", scopes=["desk:open"])
    def drawer() -> str:
        return "keys"

    @made.resource("desk://pages/{number}", scopes=["desk:open"])
    def pages(number: int) -> str:
        return f"page {number}"

    @made.prompt(scopes=["desk:open"])
    def tidy(what: str) -> str:
        return f"Tidy the {what}."

    @made.completion("tidy", "what")
    def whats(text: str) -> list[str]:
        return ["drawer"]

    return made


class Door(AsgiDoor):
    """The way in for a program with a token."""

    async def calling(self, token: str | None, name: str, **arguments: Any) -> Reply:
        params = {"name": name, "arguments": arguments}
        return await self.asking(token, "tools/call", params)

    async def asking(self, token: str | None, method: str, params: Any = None) -> Reply:
        header = None if token is None else f"Bearer {token}"
        return await self.post(envelope(method, params), authorization=header)


class SessionClient(Client):
    """A client of a revision with sessions, which sends its token with everything."""

    def __init__(self, door: Door, token: str) -> None:
        super().__init__(door)
        self.token = token

    def headers(self, **changed: str | None) -> list[tuple[str, str]]:
        return super().headers(**{"authorization": f"Bearer {self.token}", **changed})


@pytest.fixture
def door(server: MCPServer) -> Iterator[Door]:
    """The server at /mcp, next to Django."""
    router = MCPRouter([mount("mcp", server, authenticate=bearer)], ASGIHandler())
    yield Door("consumer", router)
    del router


@pytest.fixture
def anna(door: Door) -> Person:
    return Person("anna")


@pytest.fixture
def ben(door: Door) -> Person:
    return Person("ben")


@pytest.fixture
def program(door: Door) -> Program:
    return Program()


@pytest.fixture
def tokens(anna: Person, program: Program) -> dict[str, Any]:
    """What the program is given once anna has let it read and write."""
    return program.connect(anna)


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    """An identity provider, on a port of this machine."""
    with identity_provider() as running:
        yield running


@pytest.fixture
def trusting(idp: IdentityProvider, settings: Any) -> Callable[..., None]:
    """Have the tokens of the provider let in, with these options."""

    def trust(**options: Any) -> None:
        settings.DJANGO_MCP_OAUTH = {
            "VERIFIERS": [
                "django_mcp.oauth.external.verify",
                "django_mcp.oauth.personal.verify",
                "django_mcp.oauth.tokens.verify",
            ],
            "IDENTITY_PROVIDERS": {idp.issuer: options},
        }

    return trust


class Clock:
    """The clock that a module goes by, which passes as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, start: float = 1000.0) -> None:
        self._now = start
        monkeypatch.setattr(module, "now", lambda: self._now)

    def passes(self, seconds: float) -> None:
        self._now += seconds


def grant(person: Person, codename: str) -> None:
    person.user.user_permissions.add(Permission.objects.get(codename=codename))
