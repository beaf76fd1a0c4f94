"""completion/complete: suggestions for what a prompt or a template leaves to be filled in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group

from django_mcp import MCPServer
from django_mcp.types import Completion
from tests.conversations.talk import complete
from tests.doors import Door

PROMPT = {"type": "ref/prompt", "name": "review"}
TEMPLATE = {"type": "ref/resource", "uri": "library://{shelf}/{book}"}
BOOKS = ["Momo", "Moby Dick", "Emma"]


@pytest.fixture(autouse=True)
def _fill(server: MCPServer) -> None:
    @server.prompt
    async def review(book: str, tone: str = "kind") -> str:
        raise NotImplementedError

    @server.resource("library://{shelf}/{book}")
    async def book(shelf: str, book: str) -> str:
        raise NotImplementedError


async def completing(door: Door, ref: Any, name: str, value: str = "", **context: str) -> Any:
    params = {"ref": ref, "argument": {"name": name, "value": value}}
    if context:
        params["context"] = {"arguments": context}
    return (await door.call("completion/complete", params)).result


def suggested(*values: str, total: int | None = None, more: bool = False) -> dict[str, Any]:
    total = len(values) if total is None else total
    return complete(completion={"values": list(values), "total": total, "hasMore": more})


async def test_an_argument_of_a_prompt_is_completed(door: Door, server: MCPServer) -> None:
    @server.completion("review", "book")
    async def books(value: str) -> list[str]:
        return [book for book in BOOKS if book.startswith(value)]

    assert await completing(door, PROMPT, "book", "Mo") == suggested("Momo", "Moby Dick")


async def test_a_variable_of_a_template_is_completed(door: Door, server: MCPServer) -> None:
    @server.completion("library://{shelf}/{book}", "book")
    def books(value: str) -> list[str]:
        return [value + "mo"]

    assert await completing(door, TEMPLATE, "book", "Mo") == suggested("Momo")


async def test_what_is_filled_in_already_helps(door: Door, server: MCPServer) -> None:
    @server.completion("library://{shelf}/{book}", "book")
    async def books(value: str, shelf: str | None = None) -> list[str]:
        return [f"{value} on {shelf}"]

    assert await completing(door, TEMPLATE, "book", "M") == suggested("M on None")
    assert await completing(door, TEMPLATE, "book", "M", shelf="top", other="x") == suggested(
        "M on top"
    )


async def test_an_argument_nobody_completes_has_no_suggestions(
    door: Door, server: MCPServer
) -> None:
    @server.completion("review", "book")
    async def books(value: str) -> list[str]:
        raise NotImplementedError

    assert await completing(door, PROMPT, "tone") == suggested()


async def test_at_most_a_hundred_suggestions_are_sent(door: Door, server: MCPServer) -> None:
    @server.completion("review", "book")
    async def books(value: str) -> Iterator[str]:
        return (f"book {number}" for number in range(250))

    result = (await completing(door, PROMPT, "book"))["completion"]

    assert result["values"] == [f"book {number}" for number in range(100)]
    assert (result["total"], result["hasMore"]) == (250, True)


async def test_a_completion_of_the_functions_own_making_is_passed_on(
    door: Door, server: MCPServer
) -> None:
    @server.completion("review", "book")
    async def books(value: str) -> Completion:
        return Completion(values=["Momo"], total=1000, has_more=True)

    assert await completing(door, PROMPT, "book") == suggested("Momo", total=1000, more=True)


@pytest.mark.django_db
async def test_the_rows_of_a_query_are_suggestions(door: Door, server: MCPServer) -> None:
    await Group.objects.acreate(name="readers")
    await Group.objects.acreate(name="librarians")

    @server.completion("review", "book")
    def plain(value: str) -> Any:
        found = Group.objects.filter(name__startswith=value).order_by("name")
        return found.values_list("name", flat=True)

    @server.completion("review", "tone")
    async def awaited(value: str) -> Any:
        return Group.objects.order_by("name").values_list("name", flat=True)

    assert await completing(door, PROMPT, "book", "r") == suggested("readers")
    assert await completing(door, PROMPT, "tone") == suggested("librarians", "readers")


async def test_one_function_may_complete_whatever_nobody_else_does(
    door: Door, server: MCPServer
) -> None:
    @server.completion
    async def anything(ref: Any, argument: Any, context: Any) -> list[str]:
        target = getattr(ref, "uri", None) or ref.name
        given = context.arguments if context else None
        return [f"{target} {argument.name}={argument.value} {given}"]

    @server.completion("review", "book")
    async def books(value: str) -> list[str]:
        return ["Momo"]

    assert await completing(door, PROMPT, "book") == suggested("Momo")
    assert await completing(door, PROMPT, "tone", "k") == suggested("review tone=k None")
    assert await completing(door, TEMPLATE, "book", "M", shelf="top") == suggested(
        "library://{shelf}/{book} book=M {'shelf': 'top'}"
    )


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ({"type": "ref/prompt", "name": "nope"}, "Unknown prompt: nope"),
        ({"type": "ref/resource", "uri": "x://{y}"}, "Unknown resource template: x://{y}"),
    ],
)
async def test_what_does_not_exist_cannot_be_completed(
    door: Door, server: MCPServer, ref: dict[str, str], message: str
) -> None:
    @server.completion
    async def anything(ref: Any, argument: Any, context: Any) -> list[str]:
        raise NotImplementedError

    reply = await door.call(
        "completion/complete", {"ref": ref, "argument": {"name": "a", "value": ""}}
    )

    assert reply.status == 400
    assert reply.error == {"code": -32602, "message": message}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": PROMPT},
        {"ref": {"type": "ref/other", "name": "x"}, "argument": {"name": "a", "value": ""}},
        {"ref": PROMPT, "argument": {"name": "book"}},
        {"ref": PROMPT, "argument": {"name": "book", "value": 5}},
    ],
)
async def test_a_malformed_question_is_invalid(door: Door, params: dict[str, Any]) -> None:
    reply = await door.call("completion/complete", params)

    assert (reply.status, reply.error["code"]) == (400, -32602)


@pytest.mark.parametrize("value", ["Momo", 5, [object]])
async def test_a_completion_that_fails_is_an_internal_error(
    door: Door, server: MCPServer, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @server.completion("review", "book")
    async def books(typed: str) -> Any:
        if value == [object]:
            raise ValueError("secret")
        return value

    reply = await door.call(
        "completion/complete", {"ref": PROMPT, "argument": {"name": "book", "value": ""}}
    )

    assert (reply.status, reply.error) == (200, {"code": -32603, "message": "Internal error"})
    assert [record.levelno for record in caplog.records if record.name == "django_mcp"] == [
        logging.ERROR
    ]
