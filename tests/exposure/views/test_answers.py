"""What a view answers, as the result of its tool; and what its site answers to everybody else."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import AsyncClient

from django_mcp import MCPServer
from tests.conversations.database import rows
from tests.conversations.talk import Client as SessionClient
from tests.exposure.views.pages import views

pytestmark = pytest.mark.django_db


async def answered(guest: Any, name: str, **arguments: Any) -> Any:
    """The whole result of a call."""
    result = (await guest.ask("tools/call", name=name, arguments=arguments)).result
    del result["_meta"]
    assert result.pop("resultType") == "complete"
    return result


def text(line: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": line}]}


# What worked


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("object", {**text('{"a":1}'), "structuredContent": {"a": 1}}),
        ("list", {**text("[1,2]"), "structuredContent": [1, 2]}),
        ("text", text("a text")),
        ("null", {"content": []}),
    ],
)
async def test_json_is_data(server: MCPServer, guest: Any, what: str, result: Any) -> None:
    server.add_view("data")

    assert await answered(guest(), "data", what=what) == result


async def test_a_list_is_an_object_where_there_have_to_be_objects(
    server: MCPServer, guest: Any
) -> None:
    server.add_view("data", output={"type": "array", "items": {"type": "integer"}})
    client = await SessionClient(guest().door).begin()

    tools = (await client.request("tools/list")).result["tools"]
    assert tools[0]["outputSchema"]["properties"] == {
        "result": {"type": "array", "items": {"type": "integer"}}
    }
    result = await client.tool("data", what="list")
    assert result["structuredContent"] == {"result": [1, 2]}


@pytest.mark.parametrize("what", ["broken", "nan"])
async def test_json_that_is_none_is_a_file(server: MCPServer, guest: Any, what: str) -> None:
    server.add_view("data")

    block = (await answered(guest(), "data", what=what))["content"][0]
    assert block["resource"]["mimeType"] == "application/json"


async def test_a_page_is_text_for_readers(server: MCPServer, guest: Any) -> None:
    server.add_view("page")

    assert await answered(guest(), "page") == text(
        "A page\n"
        "\n"
        "# Numbers & more\n"
        "\n"
        "There are two of them; see [the groups](/groups/).\n"
        "\n"
        "Word | Number\n"
        "one | 1\n"
        "two | 2\n"
        "\n"
        "- first\n"
        "- second\n"
        "  1. inner"
    )


async def test_a_picture_and_a_file_are_blobs(server: MCPServer, guest: Any) -> None:
    for name in ("picture", "report", "table", "export"):
        server.add_view(name)

    picture = (await answered(guest(), "picture"))["content"]
    assert picture == [
        {"type": "image", "mimeType": "image/png", "data": base64.b64encode(views.PNG).decode()}
    ]
    report = (await answered(guest(), "report"))["content"][0]["resource"]
    assert report["mimeType"] == "application/pdf"
    assert base64.b64decode(report["blob"]) == b"%PDF-1.7"
    assert "/.." not in report["uri"]
    assert views.opened.pop().closed
    export = (await answered(guest(), "export"))["content"][0]["resource"]
    assert (export["uri"], export["text"]) == ("file:///all.json", '{"a": 1}')
    table = (await answered(guest(), "table"))["content"][0]["resource"]
    assert table == {"uri": "file:///t.csv", "mimeType": "text/csv", "text": "a,b\n1,2\n"}


async def test_a_stream_is_read_to_its_end(server: MCPServer, guest: Any) -> None:
    server.add_view("numbers")
    server.add_view("anumbers")

    for name in ("numbers", "anumbers"):
        assert await answered(guest(), name, pieces=3) == text("0\n1\n2\n")


async def test_what_has_no_end_or_is_too_large_is_refused(server: MCPServer, guest: Any) -> None:
    server.add_view("events")
    for name in ("numbers", "anumbers", "picture"):
        server.add_view(name, max_bytes=10)

    assert "has no end" in await guest().fail("events")
    for name, arguments in (
        ("numbers", {"pieces": 10**9}),
        ("anumbers", {"pieces": 10**9}),
        ("picture", {}),
    ):
        said = await guest().fail(name, **arguments)
        assert said == "The answer of the view is larger than 10 bytes: ask for less."


async def test_a_redirect_says_where_to_and_what_was_said(server: MCPServer, guest: Any) -> None:
    server.add_view("moved")
    server.add_view("status")

    server.add_view("moved", method="POST")
    server.add_view("moved-for-good", method="POST")

    moved = "The view redirects to http://testserver/page/"
    assert await answered(guest(), "moved") == text(f"{moved}\nIt is done.")
    assert await answered(guest(), "moved_post") == text(f"Done. {moved}\nIt is done.")
    assert await guest().fail("moved_for_good_post") == f"Nothing was done. {moved}"
    assert await answered(guest(), "status", code=204) == text("Done.")
    assert await answered(guest(), "status", code=304) == text("The view answered Not Modified.")


# What did not


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "Bad Request."),
        (401, "Not permitted: the view asks who is calling, and this caller is nobody it knows."),
        (403, "Not permitted: the view does not let this caller do that."),
        (404, "Not found."),
        (405, "The view does not take GET."),
        (409, "Conflict."),
        (418, "I'm a Teapot."),
        (429, "Too many requests: try again in 7 seconds."),
        (499, "The view refused with the status 499."),
    ],
)
async def test_a_refusal_has_a_name(server: MCPServer, guest: Any, code: int, said: str) -> None:
    server.add_view("status")

    assert (await guest().fail("status", code=code)).lower() == said.lower()


async def test_a_refusal_as_data_is_passed_on(server: MCPServer, guest: Any) -> None:
    server.add_view("problem")

    said = (await guest().fail("problem")).splitlines()
    assert said[1:] == ["- title: Is too long.", "- tags[0].word: Is bad."]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "Not found."),
        ("denied", "Not permitted: the view does not let this caller do that."),
        ("suspicious", "Bad Request."),
        ("break", "Error executing tool raising: internal error."),
    ],
)
async def test_the_words_of_an_exception_are_nobodys_business(
    server: MCPServer, site: Any, guest: Any, kind: str, said: str, debug: bool
) -> None:
    site.DEBUG = debug
    server.add_view("raising")

    assert await guest().fail("raising", kind=kind) == said


async def test_what_breaks_is_logged_with_where(
    server: MCPServer, site: Any, guest: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_view("raising")
    server.add_view("araising")
    server.add_view("status")
    server.add_view("raising", "alone", middleware=False)

    for name, arguments in (("raising", {"kind": "x"}), ("araising", {}), ("alone", {"kind": "x"})):
        caplog.clear()
        said = await guest().fail(name, **arguments)
        assert said == f"Error executing tool {name}: internal error."
        assert "RuntimeError: hush-hush" in caplog.text
        assert "Traceback" in caplog.text
    assert "internal error" in await guest().fail("status", code=503)
    site.DEBUG_PROPAGATE_EXCEPTIONS = True
    assert "internal error" in await guest().fail("raising", kind="x")


async def test_a_login_page_is_no_answer(server: MCPServer, site: Any, guest: Any) -> None:
    server.add_view("moved")
    server.add_view("members")

    site.LOGIN_URL = "page"
    assert "log in" in await guest().fail("moved")
    site.LOGIN_URL = "https://accounts.example.com/login/"
    assert "log in" in await guest().fail("members")
    server.add_view("moved-back")
    server.add_view("elsewhere")
    assert "log in" in await guest().fail("elsewhere")
    assert not (await answered(guest(), "moved_back")).get("isError")
    site.LOGIN_URL = "no such page"
    assert not (await answered(guest(), "moved")).get("isError")


async def test_post_is_what_a_view_may_ask_for(server: MCPServer, guest: Any) -> None:
    server.add_view("post")
    server.add_view("post", method="POST")

    assert await guest().fail("post") == "The view does not take GET."
    assert await answered(guest(), "post_post") == text("posted")


# Transactions


@pytest.mark.parametrize(
    ("then", "kept"), [("well", ["sync"]), ("refuse", ["sync"]), ("break", [])]
)
@pytest.mark.anyio
async def test_a_view_that_breaks_leaves_nothing_behind(
    server: MCPServer, guest: Any, disk: dict[str, Any], then: str, kept: list[str]
) -> None:
    disk["ATOMIC_REQUESTS"] = True
    server.add_view("writes")

    await guest().ask("tools/call", name="writes", arguments={"then": then})
    assert await rows() == kept


@pytest.mark.anyio
async def test_a_view_without_a_transaction_has_none(
    server: MCPServer, guest: Any, disk: dict[str, Any]
) -> None:
    disk["ATOMIC_REQUESTS"] = True
    server.add_view("writes-at-once")
    server.add_view("async-beside")
    server.add_view("araising")

    assert "internal error" in await guest().fail("writes_at_once")
    assert await rows() == ["at once"]
    assert await answered(guest(), "async_beside") == text("fine")
    # As Django has it: async views and ATOMIC_REQUESTS do not go together.
    assert "internal error" in await guest().fail("araising")


# The site, as it was


PAGES = ("/session/", "/members/", "/default/", "/page/", "/groups/", "/told/3/?q=1")


#: Is another one each time.
TOKEN = re.compile(rb'value="\w{64}"')


async def test_the_site_answers_as_before(server: MCPServer, site: Any, guest: Any) -> None:
    async def seen() -> list[Any]:
        client = AsyncClient(enforce_csrf_checks=True)
        found = [await client.get(path) for path in PAGES]
        found.append(await client.post("/groups/new/", {"name": "new"}))
        return [
            (r.status_code, TOKEN.sub(b"", r.content), sorted(r.headers), sorted(r.cookies))
            for r in found
        ]

    before = await seen()
    attributes = {name: dict(vars(getattr(views, name))) for name in ("GroupCreate", "told", "who")}
    for name in ("session", "members", "default", "page", "groups", "group-create", "told"):
        server.add_view(name)
    server.tool.view(views.who)
    ann = await User.objects.acreate(username="ann")
    await guest(ann).tools()
    for name in ("session", "members", "default", "page", "groups"):
        await guest(ann).ask("tools/call", name=name, arguments={})
    await guest(ann).ask("tools/call", name="group_create", arguments={"name": "made"})
    assert await Group.objects.acount() == 1
    await Group.objects.all().adelete()

    assert await seen() == before
    assert before[-1][0] == 403  # Without a CSRF token, a form is still refused.
    for name, known in attributes.items():
        assert dict(vars(getattr(views, name))) == known
