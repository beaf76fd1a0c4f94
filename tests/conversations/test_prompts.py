"""prompts/list and prompts/get."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from django_mcp import Image, MCPServer
from django_mcp.types import GetPromptResult, PromptMessage, TextContent
from tests.conversations.talk import complete, listed
from tests.doors import Door

PNG = b"\x89PNG\r\n\x1a\n"


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": {"type": "text", "text": text}}


async def getting(door: Door, name: str, **arguments: str) -> Any:
    return (await door.call("prompts/get", {"name": name, "arguments": arguments})).result


async def test_a_prompt_is_listed_with_what_is_to_be_filled_in(
    door: Door, server: MCPServer
) -> None:
    @server.prompt(title="Review a book", meta={"example.com/shelf": 7})
    def review(
        book: Annotated[str, Field(description="Its title.", title="Book")], words: int = 200
    ) -> str:
        """Write a review.

        Args:
            words: How long it gets.
        """
        raise NotImplementedError

    @server.prompt("plain")
    async def other() -> str:
        raise NotImplementedError

    assert (await door.call("prompts/list")).result == listed(
        prompts=[
            {
                "name": "review",
                "title": "Review a book",
                "description": "Write a review.",
                "arguments": [
                    {
                        "name": "book",
                        "title": "Book",
                        "description": "Its title.",
                        "required": True,
                    },
                    {"name": "words", "description": "How long it gets.", "required": False},
                ],
                "_meta": {"example.com/shelf": 7},
            },
            {"name": "plain"},
        ]
    )


async def test_a_server_without_prompts_has_an_empty_list(door: Door) -> None:
    assert (await door.call("prompts/list")).result == listed(prompts=[])


async def test_a_text_is_one_message_of_the_user(door: Door, server: MCPServer) -> None:
    @server.prompt
    def review(book: str, words: int = 200) -> str:
        """Write a review."""
        return f"Review {book} in {words} words."

    assert await getting(door, "review", book="Momo") == complete(
        description="Write a review.", messages=[message("Review Momo in 200 words.")]
    )
    assert await getting(door, "review", book="Momo", words="50") == complete(
        description="Write a review.", messages=[message("Review Momo in 50 words.")]
    )


async def test_a_prompt_may_be_a_conversation(door: Door, server: MCPServer) -> None:
    @server.prompt
    async def interview() -> list[Any]:
        return [
            "What is it about?",
            ("assistant", "About time."),
            {"role": "user", "content": "And who stole it?"},
            PromptMessage(role="assistant", content=TextContent(text="The grey men.")),
            Image(data=PNG),
        ]

    assert await getting(door, "interview") == complete(
        messages=[
            message("What is it about?"),
            message("About time.", "assistant"),
            message("And who stole it?"),
            message("The grey men.", "assistant"),
            {
                "role": "user",
                "content": {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
            },
        ]
    )


async def test_a_result_of_the_functions_own_making_is_passed_on(
    door: Door, server: MCPServer
) -> None:
    @server.prompt
    async def own() -> GetPromptResult:
        """What the list says."""
        own = PromptMessage(role="assistant", content=TextContent(text="Hm."))
        return GetPromptResult(description="What this one says.", messages=[own])

    assert await getting(door, "own") == complete(
        description="What this one says.", messages=[message("Hm.", "assistant")]
    )


async def test_a_prompt_nobody_has_is_unknown(door: Door) -> None:
    reply = await door.call("prompts/get", {"name": "nope"})

    assert reply.status == 400
    assert reply.error == {"code": -32602, "message": "Unknown prompt: nope"}


async def test_a_prompt_that_was_removed_is_unknown(door: Door, server: MCPServer) -> None:
    server.add_prompt(lambda: "still here", "old")
    server.remove_prompt("old")

    assert (await door.call("prompts/list")).result == listed(prompts=[])
    assert (await door.call("prompts/get", {"name": "old"})).error["code"] == -32602


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "- book: is missing; expected a string"),
        (None, "- book: is missing; expected a string"),
        ({"book": "Momo", "words": "few"}, '- words: should be an integer; got "few"'),
        ({"book": "Momo", "length": "1"}, "- length: is not an argument; there are"),
    ],
)
async def test_arguments_that_do_not_fit_are_invalid_params(
    door: Door, server: MCPServer, arguments: Any, problem: str
) -> None:
    @server.prompt
    async def review(book: str, words: int = 200) -> str:
        raise NotImplementedError

    reply = await door.call("prompts/get", {"name": "review", "arguments": arguments})

    assert (reply.status, reply.error["code"]) == (400, -32602)
    first, second = reply.error["message"].splitlines()
    assert first == "The arguments of `review` are not valid:"
    assert second.startswith(problem)


async def test_arguments_of_a_prompt_are_texts(door: Door, server: MCPServer) -> None:
    @server.prompt
    async def review(words: int) -> str:
        raise NotImplementedError

    reply = await door.call("prompts/get", {"name": "review", "arguments": {"words": 5}})

    assert (reply.status, reply.error["code"]) == (400, -32602)
