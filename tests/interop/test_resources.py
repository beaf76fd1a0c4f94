"""Resources as the official client sees them: text, bytes, data, templates, pages."""

from __future__ import annotations

import base64
import json
from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from .servers import Site


async def read(site: Site, uri: str, mode: str = "auto") -> list[Any]:
    async with site.client(mode=mode) as client:
        return list((await client.read_resource(uri)).contents)


async def test_resources_are_listed(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        listed = {str(each.uri): each for each in (await client.list_resources()).resources}

    memo = listed["memo://text"]
    assert (memo.name, memo.title, memo.mime_type, memo.size) == (
        "memo",
        "A memo",
        "text/plain",
        18,
    )
    assert listed["memo://bytes"].size == 256
    assert listed["memo://grüße/☕?a=1&b=2#here"].name == "☕"


async def test_templates_are_listed(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        found = (await client.list_resource_templates()).resource_templates

    titles = {template.uri_template: template.title for template in found}
    assert titles == {"memo://notes/{year}/{+path}": None, "memo://find{?text,limit}": "Find"}


async def test_a_text_is_read(site: Site, mode: str) -> None:
    (content,) = await read(site, "memo://text", mode)

    assert isinstance(content, types.TextResourceContents)
    assert (str(content.uri), content.text, content.mime_type) == (
        "memo://text",
        "Remember the milk.",
        "text/plain",
    )


async def test_bytes_are_read(site: Site) -> None:
    (content,) = await read(site, "memo://bytes")

    assert isinstance(content, types.BlobResourceContents)
    assert base64.b64decode(content.blob) == bytes(range(256))
    assert content.mime_type == "application/octet-stream"


async def test_data_is_read_as_json(site: Site) -> None:
    (content,) = await read(site, "memo://catalogue")

    assert json.loads(content.text) == {"books": ["Emma", "Kokoro, こころ"]}
    assert content.mime_type == "application/json"


async def test_a_uri_may_have_any_letter(site: Site) -> None:
    (content,) = await read(site, "memo://grüße/☕?a=1&b=2#here")

    assert content.text == "warm"
    assert str(content.uri) == "memo://grüße/☕?a=1&b=2#here"


async def test_a_resource_may_have_several_contents(site: Site) -> None:
    contents = await read(site, "memo://several")

    assert [str(content.uri) for content in contents] == ["memo://several/1", "memo://several/2"]


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("memo://notes/1999/todo", "1999: todo"),
        ("memo://notes/7/a/b/c.txt", "7: a/b/c.txt"),
        ("memo://notes/7/%E2%98%95", "7: ☕"),
        ("memo://find", json.dumps([""] * 10, separators=(",", ":"))),
        ("memo://find?text=x&limit=2", '["x","x"]'),
    ],
)
async def test_a_template_is_read(site: Site, uri: str, text: str) -> None:
    (content,) = await read(site, uri)

    assert content.text == text
    assert str(content.uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "memo://nope",
        "memo://text/",
        "memo://notes/soon/todo",
        "memo://notes/7/nothing",
        "memo://notes/7/../../etc/passwd",
        "memo://notes/7/%2e%2e/secret",
        "file:///etc/passwd",
        "☕",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, uri: str) -> None:
    async with site.client() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)

    assert caught.value.code == types.INVALID_PARAMS
    assert caught.value.data == {"uri": uri}


async def test_a_resource_that_fails_keeps_its_secrets(site: Site) -> None:
    async with site.client() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("memo://broken")

    assert caught.value.code == types.INTERNAL_ERROR
    assert "secret" not in caught.value.message


async def test_resources_and_templates_come_page_by_page(site: Site) -> None:
    uris: list[str] = []
    templates: list[str] = []
    async with site.client("other/mcp") as client:
        page = await client.list_resources()
        uris += [str(each.uri) for each in page.resources]
        while page.next_cursor:
            page = await client.list_resources(cursor=page.next_cursor)
            uris += [str(each.uri) for each in page.resources]
        more = await client.list_resource_templates()
        templates += [each.name for each in more.resource_templates]
        while more.next_cursor:
            more = await client.list_resource_templates(cursor=more.next_cursor)
            templates += [each.name for each in more.resource_templates]

    assert uris == [f"memo://{number}" for number in range(10)]
    assert templates == [f"template-{number}" for number in range(10)]
