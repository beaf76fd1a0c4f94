"""The example project as a newcomer meets it: served by daphne, driven by the official client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, ClientSession
from mcp.client.sse import sse_client
from websockets.asyncio.client import connect

from tests import library as books
from tests import services
from tests.lines import introduction

from .servers import ANSWERED, KINDS, REPOSITORY, Servers, Site


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The library with its books, on a database of its own."""
    yield from served(tmp_path_factory.mktemp("example"))


@pytest.fixture
def branch(
    tmp_path_factory: pytest.TempPathFactory, redis: services.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Site, Path]]:
    """Another library, whose processes hear of each other through Redis; and where it is kept."""
    monkeypatch.setenv("REDIS_URL", redis.url)
    kept = tmp_path_factory.mktemp("branch")
    for site in served(kept):
        yield site, kept


def served(kept: Path) -> Iterator[Site]:
    books.prepare(kept / "example.sqlite3")
    servers = Servers(kept)
    yield servers.get("example")
    servers.end()


def manage(kept: Path, *command: str) -> None:
    """Run a command of the library that is kept there, in a process of its own."""
    kind = KINDS["example"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": kind.settings,
        "PYTHONPATH": str(REPOSITORY),
        "DATABASE_PATH": str(kept / "example.sqlite3"),
    }
    arguments = [sys.executable, "manage.py", *command]
    subprocess.run(arguments, cwd=kind.directory, env=environment, check=True, timeout=120)


def client(library: Site, **options: Any) -> Client:
    return library.client(mode="auto", **options)


async def call(connected: Client, name: str, /, **arguments: Any) -> Any:
    result = await connected.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result


async def a_book(connected: Client, title: str) -> int:
    found = await call(connected, "search_books", words=title, only_on_shelf=True)
    number: int = found.structured_content["books"][0]["id"]
    return number


async def test_everything_is_listed(library: Site) -> None:
    async with client(library) as connected:
        assert connected.protocol_version == "2026-07-28"
        assert connected.server_info.title == "The Library"
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        assert {"search_books", "return_book", "show_cover"} <= tools.keys()
        assert "find_readers" not in tools
        assert tools["return_book"].annotations.destructive_hint is True
        icons = [icon.src for tool in tools.values() for icon in tool.icons or ()]
        assert icons
        assert all(src.startswith(f"http://127.0.0.1:{library.port}/static/") for src in icons)
        resources = {str(found.uri) for found in (await connected.list_resources()).resources}
        assert "library://opening-hours" in resources
        templates = (await connected.list_resource_templates()).resource_templates
        assert "library://books/{book_id}" in {found.uri_template for found in templates}
        assert {found.name for found in (await connected.list_prompts()).prompts} == {
            "recommend",
            "discuss",
            "review",
        }


async def test_tools_answer_with_data_with_pictures_and_with_reasons(library: Site) -> None:
    async with client(library) as connected:
        number = await a_book(connected, "Frankenstein")
        book = await call(connected, "get_book", book_id=number)
        assert book.structured_content["author"].startswith("Mary Shelley")
        assert (await call(connected, "show_cover", book_id=number)).content[0].type == "image"
        late = (await call(connected, "overdue_loans")).structured_content[0]
        slip = await call(connected, "loan_slip", book_id=late["book_id"])
        assert {block.type for block in slip.content} == {"text", "resource", "resource_link"}
        page = await call(connected, "browse_catalogue", q="white whale")
        assert "[Moby-Dick](/books/" in page.content[0].text
        decades = await call(connected, "count_by_decade", **{"from": 1810, "to": 1819})
        assert decades.structured_content["1810s"] > 0
        wrong = await connected.call_tool("count_by_decade", {})
        assert wrong.is_error
        unknown = await connected.call_tool("lend_book", {"book_id": 0, "card_number": 1})
        assert unknown.content[0].text == "There is no book 0."


async def test_resources_prompts_and_completions(library: Site) -> None:
    async with client(library) as connected:
        number = await a_book(connected, "Moby-Dick")
        read = await connected.read_resource(f"library://books/{number}")
        assert "Melville" in read.contents[0].text
        cover = await connected.read_resource(f"library://books/{number}/cover")
        assert cover.contents[0].mime_type == "image/png"
        prompt = await connected.get_prompt("recommend", {"subject": "sea stories"})
        assert "sea stories" in prompt.messages[0].content.text
        named = types.PromptReference(type="ref/prompt", name="discuss")
        authors = await connected.complete(named, {"name": "author", "value": "Shell"})
        assert "Mary Shelley" in authors.completion.values
        titles = await connected.complete(
            named, {"name": "title", "value": "Fr"}, {"author": "Mary Shelley"}
        )
        assert titles.completion.values == ["Frankenstein"]


async def test_progress_and_log_lines_arrive_while_a_tool_runs(library: Site) -> None:
    steps: list[float] = []
    lines: list[Any] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async def log(params: Any) -> None:
        lines.append(params.data)

    async with client(library, logging_callback=log, log_level="info") as connected:
        result = await connected.call_tool("check_inventory", {}, progress_callback=progress)
    assert steps == sorted(steps)
    assert steps
    assert lines == [f"{sum(result.structured_content.values())} books are on the shelf."]


async def test_the_user_and_the_model_are_asked(library: Site) -> None:
    forms: dict[str, dict[str, Any]] = {
        "Who is the card for?": {"name": "Ada Example", "email": "ada@example.org"},
        "An evening for how many, and when?": {"day": "Friday", "guests": 5},
    }

    async def user(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content=forms.get(params.message, {}))

    async def model(context: Any, params: Any) -> types.CreateMessageResult:
        text = types.TextContent(type="text", text="Do come.")
        return types.CreateMessageResult(role="assistant", content=text, model="m")

    options: dict[str, Any] = {"elicitation_callback": user, "sampling_callback": model}
    async with client(library, **options) as connected:
        number = await a_book(connected, "Dracula")
        card = (await call(connected, "register_reader")).content[0].text
        assert card.startswith("Welcome, Ada Example.")
        assert (await call(connected, "introduce_book", book_id=number)).content[0].text == (
            "Do come."
        )
        evening = await call(connected, "plan_reading_evening", book_id=number)
        assert evening.content[0].text == "Friday, 5 guests: Do come."


async def test_who_follows_a_book_hears_that_it_was_lent_and_came_back(library: Site) -> None:
    async def agree(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={})

    async with (
        client(library) as listener,
        client(library, elicitation_callback=agree) as desk,
    ):
        number = await a_book(desk, "Emma")
        uri = f"library://books/{number}"
        async with listener.listen(resource_subscriptions=[uri]) as changes:
            lent = await desk.call_tool("lend_book", {"book_id": number, "card_number": 1})
            assert not lent.is_error, lent.content
            assert str((await asyncio.wait_for(anext(changes), 10)).uri) == uri
            back = await call(desk, "return_book", book_id=number)
            assert back.content[0].text.endswith("is back.")
            assert str((await asyncio.wait_for(anext(changes), 10)).uri) == uri


async def test_the_other_transports_lead_to_the_same_library(library: Site) -> None:
    async with (
        sse_client(library.url("sse")) as streams,
        ClientSession(*streams, read_timeout_seconds=ANSWERED) as over_sse,
    ):
        await over_sse.initialize()
        names = {tool.name for tool in (await over_sse.list_tools()).tools}
    assert "search_books" in names

    url = library.url("ws").replace("http", "ws", 1)
    async with connect(url, subprotocols=["mcp"], proxy=None) as socket:
        await socket.send(json.dumps(introduction()))
        assert json.loads(await socket.recv())["result"]["serverInfo"]["title"] == "The Library"


async def test_a_form_is_filled_in_and_a_template_is_read(library: Site) -> None:
    async with client(library) as connected:
        book = await a_book(connected, "Silas Marner")
        await call(connected, "lend_book", book_id=book, card_number=1)
        schema = {tool.name: tool for tool in (await connected.list_tools()).tools}["extend_loan"]
        extended = await call(connected, "extend_loan", book_id=book, due="2030-01-31")
        refused = await connected.call_tool("extend_loan", {"book_id": book, "due": "2020-01-01"})
        prompt = await connected.get_prompt("review", {"title": "Silas Marner"})

    assert schema.input_schema["properties"]["due"]["format"] == "date"
    assert extended.content[0].text == "Silas Marner is due on 31 January 2030."
    assert refused.is_error
    assert "due: A loan is extended to a later day." in refused.content[0].text
    assert "Silas Marner" in prompt.messages[0].content.text


async def test_the_catalogue_is_searched_filtered_and_summed_up(library: Site) -> None:
    async with client(library) as connected:
        found = await call(connected, "search_authors", search="mary")
        assert "Mary Shelley" in [item["name"] for item in found.structured_content["items"]]
        old = await call(connected, "list_authors", born__lte=1600, order_by="born", limit=2)
        years = [item["born"] for item in old.structured_content["items"]]
        assert years == sorted(years)
        rest = old.structured_content["next_cursor"]
        more = await call(
            connected, "list_authors", born__lte=1600, order_by="born", limit=2, cursor=rest
        )
        assert more.structured_content["items"][0]["born"] >= years[-1]
        sums = await call(
            connected,
            "aggregate_catalogue",
            measures=["count(*)", "min(published)"],
            group_by=["language"],
        )
        assert {"language", "count(*)", "min(published)"} == sums.structured_content["rows"][
            0
        ].keys()
        answer = await call(
            connected,
            "query_catalogue",
            select=["title", "author.born"],
            where={"field": "author.born", "lookup": "lt", "value": 1600},
            limit=3,
        )
        assert all(row["author.born"] < 1600 for row in answer.structured_content["rows"])
        loans = await call(connected, "list_loans")
        assert "reader" not in loans.structured_content["items"][0]


async def test_an_author_is_entered_changed_and_deleted(library: Site) -> None:
    asked: list[str] = []

    async def agree(context: Any, params: Any) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={})

    async with client(library, elicitation_callback=agree) as connected:
        made = await call(connected, "create_author", name="A. Newcomer", born=1900)
        id = made.structured_content["id"]
        wrong = await connected.call_tool("update_author", {"id": id, "died": 1800})
        assert wrong.is_error
        assert "An author dies after being born." in wrong.content[0].text
        changed = await call(connected, "update_author", id=id, died=1980)
        assert changed.structured_content["died"] == 1980
        read = await connected.read_resource(f"library://authors/{id}")
        assert json.loads(read.contents[0].text)["died"] == 1980
        await call(connected, "delete_author", id=id)
        assert "A. Newcomer" in asked[0]
        gone = await connected.call_tool("get_author", {"id": id})
        assert gone.is_error


#: A change in the admin, made by the forms of its pages.
IN_THE_ADMIN = """
from django.contrib.auth.models import User
from django.test import Client
from library.models import Author
author = Author.objects.get(pk={id})
browser = Client(SERVER_NAME="localhost")
browser.force_login(User.objects.create_superuser("admin"))
page = f"/admin/library/author/{{author.pk}}/change/"
answer = browser.post(page, {{"name": author.name, "born": 1234, "died": author.died or ""}})
assert answer.status_code == 302, answer.content
"""


async def test_who_follows_an_author_hears_of_a_change_in_the_admin_of_another_process(
    branch: tuple[Site, Path],
) -> None:
    library, kept = branch
    async with client(library) as connected:
        found = await call(connected, "search_authors", search="Mary Shelley")
        id = found.structured_content["items"][0]["id"]
        uri = f"library://authors/{id}"
        async with connected.listen(resource_subscriptions=[uri]) as changes:
            await asyncio.to_thread(manage, kept, "shell", "-c", IN_THE_ADMIN.format(id=id))
            assert str((await asyncio.wait_for(anext(changes), 10)).uri) == uri
        read = await connected.read_resource(uri)
        assert json.loads(read.contents[0].text)["born"] == 1234
