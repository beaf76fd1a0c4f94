"""Clients by the name of a server: what goes with their requests, and what they cannot do."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory

from django_mcp import MCPServer
from django_mcp.authentication import principal_of
from django_mcp.client import ClientError, UnexpectedStatus
from django_mcp.remote.clients import NotConnected, ServerIncomplete, aget_client
from django_mcp.remote.models import RemoteServer, Secrets
from django_mcp.testing.live import LiveServer
from tests.client.auth.world import ISSUER, SERVER, World

KINDS = RemoteServer.Authorization


def desk() -> MCPServer:
    """A server that tells what it is sent."""
    server = MCPServer("desk", sessions=None, events=None)

    @server.tool(read_only=True)
    def headers() -> list[str]:
        """Tell."""
        return list(seen)

    return server


#: Headers of the last request to the desk.
seen: dict[str, str] = {}


def let_in(request: Any) -> Any:
    seen.clear()
    seen.update(request.headers)
    return principal_of(AnonymousUser())


def make(**values: Any) -> RemoteServer:
    secrets = Secrets(**values.pop("secrets", {}))
    server = RemoteServer(name="desk", **values)
    server.keep(secrets)
    server.save()
    return server


@async_to_sync
async def ask(user: Any = None, **options: Any) -> list[str]:
    async with await aget_client("desk", user, **{"timeout": 10, **options}) as client:
        return [tool.name for tool in await client.list_tools()]


def test_headers_and_a_token_for_everybody_go_with_each_request() -> None:
    with LiveServer() as live:
        make(
            url=live.url(desk(), authenticate=let_in),
            authorization=KINDS.BEARER,
            secrets={"token": "T-1", "headers": {"X-Key": "H-1"}},
        )
        assert ask(headers={"X-Mine": "M-1"}) == ["headers"]

    assert seen["authorization"] == "Bearer T-1"
    assert (seen["x-key"], seen["x-mine"]) == ("H-1", "M-1")


@pytest.mark.parametrize("secrets", [{}, {"headers": {"X-Key": "H-1"}}])
def test_a_server_without_its_token_is_not_asked(secrets: Any) -> None:
    make(url="http://127.0.0.1:9/mcp", authorization=KINDS.BEARER, secrets=secrets)

    with pytest.raises(ServerIncomplete, match="lacks its token"):
        ask()


def test_a_project_without_its_secret_does_not_ask() -> None:
    make(url=SERVER, authorization=KINDS.PROJECT, client_id="c1", issuer=ISSUER)

    with pytest.raises(ServerIncomplete, match="lacks its client secret"):
        ask()


async def test_a_project_gets_a_token_for_itself_and_keeps_it() -> None:
    world = World()
    server = await RemoteServer.objects.acreate(
        name="mcp", url=SERVER, authorization=KINDS.PROJECT, client_id="c1", issuer=ISSUER
    )
    server.keep(Secrets(client_secret="CS-2"))
    await server.asave()

    for _ in range(2):
        async with world.http() as http:
            client = await aget_client("mcp", http_client=http)
            # The world speaks no MCP, but it sees who asks.
            with pytest.raises(ClientError):
                async with client:
                    pass

    assert [form["grant_type"] for form in world.forms] == ["client_credentials"]
    assert world.sent[-1].startswith("Bearer AT-")
    assert await server.connections.filter(user=None, holder="project").acount() == 1


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_nobody_has_no_tokens(user: Any) -> None:
    make(url=SERVER, authorization=KINDS.USER)

    with pytest.raises(NotConnected) as told:
        ask(user)
    assert told.value.url == "/remote/desk/connect/"
    assert told.value.url_to("/a?b=c&d") == "/remote/desk/connect/?next=%2Fa%3Fb%3Dc%26d"


def test_without_the_pages_there_is_no_url(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls"
    make(url=SERVER, authorization=KINDS.USER)

    with pytest.raises(NotConnected) as told:
        ask()
    assert told.value.url == ""


def test_the_authorization_of_a_server_is_its_own() -> None:
    make(url=SERVER)

    with pytest.raises(TypeError, match="auth="):
        ask(auth=None)


def test_an_async_view_asks_for_its_user() -> None:
    async def view(request: HttpRequest) -> JsonResponse:
        try:
            async with await aget_client("desk", user=request.user) as client:
                return JsonResponse({"tools": len(await client.list_tools())})
        except NotConnected as error:
            return JsonResponse({"connect": error.url_to(request.path)}, status=409)

    make(url=SERVER, authorization=KINDS.USER)
    request = RequestFactory().get("/view/")
    request.user = AnonymousUser()

    assert async_to_sync(view)(request).status_code == 409


def test_a_server_that_refuses_says_so_in_the_clients_words() -> None:
    with LiveServer() as live:
        make(url=live.url(desk(), authenticate=lambda request: None))
        with pytest.raises(UnexpectedStatus):
            ask()


# --------------------------------------------------------------------------------- programs


PROGRAM = """
import sys, json
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("method") == "initialize":
        info = {"name": __import__("os").environ["CALLED"], "version": "1"}
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info}
    elif asked.get("id") is None:
        continue
    else:
        error = {"code": -32601, "message": "no"}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": error}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


@async_to_sync
async def name_of_desk() -> str:
    async with await aget_client("desk", timeout=20) as client:
        return client.server_info.name


def test_a_program_is_started_where_the_project_allows_it(settings: Any, tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = f"{sys.executable}\n{program}\n"
    server = make(command=command, secrets={"environment": {"CALLED": "P-1"}})

    with pytest.raises(ServerIncomplete, match="ALLOW_STDIO"):
        name_of_desk()
    with pytest.raises(ValidationError, match="ALLOW_STDIO"):
        server.full_clean()
    settings.DJANGO_MCP_REMOTE = {"ALLOW_STDIO": True}
    server.full_clean()
    assert name_of_desk() == "P-1"


# ------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "__all__"),
        ({"url": SERVER, "command": "x"}, "__all__"),
        ({"url": "ftp://mcp.example/mcp"}, "url"),
        ({"url": "mcp.example/mcp"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://mcp.example:99999/mcp"}, "url"),
        ({"url": "https://[::1/mcp"}, "url"),
        ({"url": "https://me:secret@mcp.example/mcp"}, "url"),
        ({"url": "https://mcp.example/\nmcp"}, "url"),
        ({"url": "http://mcp.example/mcp", "authorization": "user"}, "url"),
        ({"url": "wss://mcp.example/mcp", "authorization": "user"}, "url"),
        ({"url": SERVER, "client_id": "c1"}, "issuer"),
        ({"url": SERVER, "authorization": "project"}, "client_id"),
    ],
)
def test_what_cannot_be_connected_to_is_refused(values: Any, field: str) -> None:
    with pytest.raises(ValidationError) as told:
        RemoteServer(name="desk", **values).full_clean()

    assert set(told.value.message_dict) == {field}


@pytest.mark.parametrize(
    "values",
    [
        {"url": "http://10.0.0.7:8000/mcp"},
        {"url": "ws://mcp.example/mcp", "authorization": "bearer"},
        {"url": "http://127.0.0.1:8000/mcp", "authorization": "user"},
    ],
)
def test_what_can_be_connected_to_is_taken(values: Any) -> None:
    RemoteServer(name="desk", **values).full_clean()


@pytest.mark.parametrize(
    "secrets",
    [{"headers": {"X Key": "1"}}, {"headers": {"X": "a\r\nb"}}, {"token": "é"}],
)
def test_what_is_no_header_is_no_secret(secrets: Any) -> None:
    with pytest.raises(ValueError, match=r"ASCII|no name"):
        Secrets(**secrets)
