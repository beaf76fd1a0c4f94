"""Django templates as prompts and as resources."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from asgiref.sync import sync_to_async
from django.core.checks import run_checks
from django.utils import translation
from django.utils.translation import get_language, gettext, gettext_lazy
from pydantic import Field

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from django_mcp.server.errors import RegistrationError
from tests.conversations.talk import ASKABLE, Dialogue, accepted, by_name
from tests.doors import Door, envelope
from tests.exposure.shelf.models import Book

DAY = date(2026, 1, 31)


async def got(door: Door, name: str, arguments: Any = None, **headers: str) -> str:
    """The one text that a prompt says."""
    params = {"name": name, "arguments": arguments or {}}
    result = (await door.post(envelope("prompts/get", params), **headers)).result
    (message,) = result["messages"]
    assert message["role"] == "user"
    text: str = message["content"]["text"]
    return text


async def content(door: Door, uri: str, **headers: str) -> tuple[str, str]:
    """The type and the text of a resource."""
    result = (await door.post(envelope("resources/read", {"uri": uri}), **headers)).result
    (found,) = result["contents"]
    return found["mimeType"], found["text"]


# A prompt


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.django_db
async def test_what_a_page_would_not_find_is_not_found(
    door: Door, server: MCPServer, sync: bool
) -> None:
    def plain(book_id: int) -> dict[str, Any]:
        return {"title": Book.objects.get(pk=book_id)}

    async def awaited(book_id: int) -> dict[str, Any]:
        return {"title": await Book.objects.aget(pk=book_id)}

    context = plain if sync else awaited
    server.add_template_prompt("shelf/review.md", context, "review")
    server.add_template_resource("shelf://books/{book_id}", "shelf/review.md", context)

    prompt = {"name": "review", "arguments": {"book_id": "7"}}
    refused = await door.post(envelope("prompts/get", prompt))
    missing = await door.post(envelope("resources/read", {"uri": "shelf://books/7"}))

    assert "matching query" not in str(refused.error)
    assert refused.error["code"] == -32602
    assert missing.error["message"] == "Resource not found: shelf://books/7"


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.django_db
async def test_a_template_is_a_prompt_with_what_a_function_puts_into_it(
    door: Door, server: MCPServer, sync: bool
) -> None:
    def plain(ctx: Context, title: str, year: int = 2026) -> dict[str, Any]:
        """Review a book.

        Args:
            title: The book.
        """
        assert ctx.target == "review"
        return {"title": title, "day": date(year, 1, 31), "books": Book.objects.all()}

    async def awaited(ctx: Context, title: str, year: int = 2026) -> dict[str, Any]:
        """Review a book.

        Args:
            title: The book.
        """
        return plain(ctx, title, year)

    await Book.objects.acreate(title="Emma & I")
    server.prompt.template("shelf/review.md", "review", title="A review")(
        plain if sync else awaited
    )

    (prompt,) = (await door.call("prompts/list")).result["prompts"]
    assert prompt == {
        "name": "review",
        "title": "A review",
        "description": "Review a book.",
        "arguments": [
            {"name": "title", "description": "The book.", "required": True},
            {"name": "year", "required": False},
        ],
    }
    assert await got(door, "review", {"title": "'Emma' & <I>", "year": "2025"}) == (
        "Search: review 'Emma' & <I>, published in January.\n- Emma & I"
    )


async def test_a_typed_dict_is_arguments_and_context_in_one(door: Door, server: MCPServer) -> None:
    class Review(TypedDict):
        """Review a book."""

        title: Annotated[str, Field(description="The book.")]
        day: NotRequired[date]

    server.add_template_prompt("shelf/review.md", Review, "review")

    (prompt,) = (await door.call("prompts/list")).result["prompts"]
    assert prompt["description"] == "Review a book."
    assert prompt["arguments"] == [
        {"name": "title", "description": "The book.", "required": True},
        {"name": "day", "required": False},
    ]
    assert await got(door, "review", {"title": "Emma", "day": "2026-01-31"}) == (
        "Search: review Emma, published in January."
    )
    assert await got(door, "review", {"title": "Emma"}) == "Search: review Emma, published in ."
    reply = await door.call("prompts/get", {"name": "review", "arguments": {"day": "soon"}})
    assert reply.error["code"] == -32602


async def test_a_template_may_need_nothing(door: Door, server: MCPServer) -> None:
    server.add_template_prompt("shelf/review.md", name="review")

    assert await got(door, "review") == "Search: review , published in ."


async def test_an_argument_is_a_value_and_never_a_part_of_the_template(
    door: Door, server: MCPServer
) -> None:
    @server.prompt.template("shelf/review.md")
    def review(title: str) -> dict[str, Any]:
        return {"title": title}

    for title in ("{{ 7|add:7 }}", "{% include 'shelf/card.txt' %}", "{% load static %}", "{#"):
        assert title in await got(door, "review", {"title": title})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("shelf/card.html", "<p>&lt;b&gt; &amp; &#x27;c&#x27;</p>"),
        ("shelf/card.txt", "Card of <b> & 'c',"),
    ],
)
async def test_html_is_escaped_and_no_other_text(
    door: Door, server: MCPServer, template: str, text: str
) -> None:
    @server.prompt.template(template)
    def card(title: str) -> dict[str, Any]:
        return {"title": title}

    assert await got(door, "card", {"title": "<b> & 'c'"}) == text


async def test_a_prompt_made_of_a_template_may_ask_and_be_guarded(
    server: MCPServer, guarded: Any
) -> None:
    @server.prompt.template(
        "shelf/review.md", permission=lambda principal: principal.id == "name:ada"
    )
    async def review(ctx: Context) -> dict[str, Any]:
        answer = await ctx.ask("Which?", str, key="which")
        return {"title": answer.data, "day": DAY}

    door = guarded(by_name)
    dialogue = Dialogue(
        door, "prompts/get", {"name": "review"}, capabilities=ASKABLE, x_caller="ada"
    )
    await dialogue.asked()
    result = await dialogue.ended({"which": accepted(value="Emma")})
    refused = await door.post(envelope("prompts/get", {"name": "review"}), x_caller="bob")

    assert "review Emma" in result["messages"][0]["content"]["text"]
    assert refused.error["message"] == "Unknown prompt: review"


# A resource


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_template_is_the_content_of_a_resource(
    door: Door, server: MCPServer, sync: bool
) -> None:
    def plain(title: str) -> dict[str, Any]:
        """The card of a book."""
        return {"title": title, "day": DAY}

    async def awaited(title: str) -> dict[str, Any]:
        """The card of a book."""
        return plain(title)

    function = plain if sync else awaited
    server.resource("shelf://{title}/card", template="shelf/card.txt")(function)
    server.resource("shelf://{title}/page", template="shelf/card.html")(function)
    server.resource("shelf://{title}/x", template="shelf/card.html", mime_type="text/x")(function)
    server.add_template_resource("shelf://review", "shelf/review.md", title="How to")

    (first, *_) = (await door.call("resources/templates/list")).result["resourceTemplates"]
    assert first["description"] == "The card of a book."
    assert first["mimeType"] == "text/plain"
    (static,) = (await door.call("resources/list")).result["resources"]
    assert static == {
        "uri": "shelf://review",
        "name": "review",
        "title": "How to",
        "mimeType": "text/markdown",
    }
    assert await content(door, "shelf://E%26I/card") == ("text/plain", "Card of E&I, January\n")
    assert await content(door, "shelf://E%26I/page") == ("text/html", "<p>E&amp;I</p>\n")
    assert (await content(door, "shelf://E/x"))[0] == "text/x"
    assert (await content(door, "shelf://review"))[0] == "text/markdown"


# In the caller's language


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_a_template_speaks_the_language_the_request_asks_for(
    door: Door, server: MCPServer, settings: Any, sync: bool
) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]

    def plain() -> dict[str, Any]:
        return {"title": f"{get_language()} {gettext('Monday')}", "day": DAY}

    async def awaited() -> dict[str, Any]:
        return await sync_to_async(plain)()

    function = plain if sync else awaited
    server.prompt.template("shelf/review.md", "review")(function)
    server.resource("shelf://card", template="shelf/card.txt")(function)

    for accepted_languages, text in (
        ("de", "de Montag, published in Januar."),
        ("de-AT, en;q=0.5", "de Montag, published in Januar."),
        ("fr;q=0.4, de;q=0.8", "de Montag, published in Januar."),
        ("fr", "fr lundi, published in janvier."),
        ("es", "en Monday, published in January."),
        ("*", "en Monday, published in January."),
        ("{{ x }}, ;;;q=9", "en Monday, published in January."),
        ("x" * 5000, "en Monday, published in January."),
    ):
        said = await got(door, "review", accept_language=accepted_languages)
        assert said.endswith(text), accepted_languages
    assert (await content(door, "shelf://card", accept_language="de"))[1].endswith("Januar\n")
    assert (await got(door, "review")).endswith("January.")
    assert get_language() == "en-us"


async def test_the_words_of_a_list_are_translated_once(server: MCPServer, guarded: Any) -> None:
    with translation.override("de"):
        server.add_template_prompt(
            "shelf/review.md",
            name="review",
            title=gettext_lazy("Monday"),
            description=gettext_lazy("Tuesday"),
        )
        server.add_tool(lambda: "", "one", title=gettext_lazy("Monday"))
    door = guarded(anonymous)

    (prompt,) = (await door.call("prompts/list")).result["prompts"]
    (tool,) = (await door.call("tools/list")).result["tools"]

    assert (prompt["title"], prompt["description"]) == ("Montag", "Dienstag")
    assert tool["title"] == "Montag"


# What goes wrong


async def test_a_template_that_is_not_there_is_an_error_that_the_log_explains(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.add_template_prompt("shelf/nowhere.md", name="review")
    server.add_template_prompt("shelf/including.md", name="including")

    for name in ("review", "including"):
        reply = await door.call("prompts/get", {"name": name})
        assert reply.error == {"code": -32603, "message": "Internal error"}
    assert "There is no template 'shelf/nowhere.md'" in caplog.text
    assert "There is no template 'shelf/nowhere.md' (for 'shelf/including.md')" in caplog.text


@pytest.mark.django_db  # One of Django's own checks asks the database what it can do.
def test_a_template_that_is_not_there_or_is_broken_is_found_by_a_check(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_template_prompt("shelf/review.md", name="fine")
    server.add_template_prompt("shelf/nowhere.md", name="review")
    server.add_template_resource("shelf://broken", "shelf/broken.md")
    monkeypatch.setattr("django_mcp.checks.servers", lambda: [server])

    found = [message.msg for message in run_checks() if message.id == "django_mcp.E005"]

    assert len(found) == 2
    start = "The resource 'shelf://broken' of the MCP server 'test': The template "
    assert found[0].startswith(start)
    assert "has a mistake in it" in found[0]
    assert found[1].startswith(
        "The prompt 'review' of the MCP server 'test': There is no template 'shelf/nowhere.md'."
    )


async def test_a_context_is_a_dict(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.prompt.template("shelf/review.md")
    def review() -> str:
        return "{{ 7 }}"

    reply = await door.call("prompts/get", {"name": "review"})

    assert reply.error["code"] == -32603
    assert "The context of the template 'shelf/review.md' is a dict, not str" in caplog.text


def test_what_cannot_be_a_prompt_is_refused(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="needs a name"):
        server.add_template_prompt("shelf/review.md")
    with pytest.raises(RegistrationError, match="is no template"):
        server.prompt.template(lambda: None)(lambda: None)  # type: ignore[arg-type]
