"""Icons: from a project's static files to URLs a client can fetch."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import Icon, MCPServer
from django_mcp.authentication import anonymous
from tests.conversations.talk import consumer_of
from tests.doors import META, Door, envelope

KINDS = pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
BOOK = Icon(src="static:library/book.svg", mime_type="image/svg+xml", sizes=["any"])


@pytest.fixture(autouse=True)
def _static(settings: Any) -> None:
    settings.STATIC_URL = "static/"


@pytest.fixture
def _everywhere(server: MCPServer) -> None:
    def echo(a: str) -> str:
        raise NotImplementedError

    server.add_tool(lambda: None, "one", icons=[BOOK])
    server.add_prompt(lambda: "", "one", icons=[BOOK])
    server.add_resource("x://one", "", icons=[BOOK])
    server.resource("x://{a}", icons=[BOOK])(echo)


async def icons(door: Door, method: str = "tools/list", **headers: str) -> Any:
    reply = await door.post(envelope(method), **headers)
    (members,) = (value for value in reply.result.values() if isinstance(value, list))
    return members[0].get("icons")


@pytest.mark.usefixtures("_everywhere")
@pytest.mark.parametrize(
    "method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
)
async def test_a_static_file_becomes_a_url_of_the_same_origin(door: Door, method: str) -> None:
    assert await icons(door, method) == [
        {
            "src": "http://testserver/static/library/book.svg",
            "mimeType": "image/svg+xml",
            "sizes": ["any"],
        }
    ]


@pytest.mark.usefixtures("_everywhere")
async def test_every_client_gets_urls_of_the_host_it_came_to(door: Door, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    hosts = ["testserver", "localhost:8000", "[::1]:8000", *(f"h{n}.example" for n in range(40))]

    for host in [*hosts, *hosts]:
        (icon,) = await icons(door, host=host)
        assert icon["src"] == f"http://{host}/static/library/book.svg"


@KINDS
@pytest.mark.usefixtures("_everywhere")
async def test_behind_a_proxy_the_url_is_the_clients(
    guarded: Any, settings: Any, kind: str
) -> None:
    settings.ALLOWED_HOSTS = ["library.example.com", "inner"]
    settings.USE_X_FORWARDED_HOST = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    (icon,) = await icons(
        guarded(anonymous, kind),
        host="inner",
        x_forwarded_host="library.example.com",
        x_forwarded_proto="https",
    )

    assert icon["src"] == "https://library.example.com/static/library/book.svg"


@pytest.mark.usefixtures("_everywhere")
async def test_a_forwarded_host_counts_only_where_the_project_says_so(door: Door) -> None:
    (icon,) = await icons(door, x_forwarded_host="evil.example.com", x_forwarded_proto="https")

    assert icon["src"] == "http://testserver/static/library/book.svg"


@KINDS
@pytest.mark.usefixtures("_everywhere")
async def test_static_files_of_another_host_stay_there(
    guarded: Any, settings: Any, kind: str
) -> None:
    settings.STATIC_URL = "https://cdn.example.com/s/"

    (icon,) = await icons(guarded(anonymous, kind))

    assert icon["src"] == "https://cdn.example.com/s/library/book.svg"


@pytest.mark.parametrize(
    ("src", "expected"),
    [
        ("https://example.com/icon.png", "https://example.com/icon.png"),
        ("data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="),
        ("/media/icon.png", "http://testserver/media/icon.png"),
        ("static:with space.svg", "http://testserver/static/with%20space.svg"),
    ],
)
async def test_other_sources_stay_what_they_are(
    door: Door, server: MCPServer, src: str, expected: str
) -> None:
    server.add_tool(lambda: None, "one", icons=[Icon(src=src)])

    assert await icons(door) == [{"src": expected}]


async def test_a_server_has_icons_too(settings: Any) -> None:
    server = MCPServer("test", version="1.0", icons=[BOOK, Icon(src="https://example.com/i.png")])

    result = (await consumer_of(server).call("tools/list")).result

    assert [icon["src"] for icon in result["_meta"][META + "serverInfo"]["icons"]] == [
        "http://testserver/static/library/book.svg",
        "https://example.com/i.png",
    ]


async def test_icons_are_the_same_where_middleware_looks_at_the_list() -> None:
    async def middleware(ctx: Any, call_next: Any) -> Any:
        return await call_next(ctx)

    server = MCPServer("test", version="1.0", middleware=[middleware])
    server.add_tool(lambda: None, "one", icons=[BOOK])

    (icon,) = await icons(consumer_of(server))

    assert icon["src"] == "http://testserver/static/library/book.svg"
