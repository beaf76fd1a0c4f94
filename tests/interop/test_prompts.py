"""Prompts and completions as the official client sees them."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from .servers import Site


async def test_prompts_are_listed_with_their_arguments(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        listed = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}

    assert listed["greet"].description == "Greet, without arguments."
    assert not listed["greet"].arguments
    coffee = listed["☕ break"]
    assert coffee.title == "A break"
    assert [(each.name, each.required) for each in coffee.arguments or ()] == [
        ("with_whom", True),
        ("minutes", False),
    ]


async def test_a_prompt_is_a_message(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        result = await client.get_prompt("greet")

    assert result.description == "Greet, without arguments."
    assert [(message.role, message.content.text) for message in result.messages] == [
        ("user", "Say hello.")
    ]


async def test_a_prompt_may_have_any_name_and_several_messages(site: Site, mode: str) -> None:
    async with site.client(mode=mode) as client:
        result = await client.get_prompt("☕ break", {"with_whom": "Zoë", "minutes": "5"})

    assert [(message.role, message.content.text) for message in result.messages] == [
        ("user", "A break of 5 minutes with Zoë?"),
        ("assistant", "Gladly."),
    ]


async def test_a_prompt_may_show_anything(site: Site) -> None:
    async with site.client() as client:
        result = await client.get_prompt("illustrated", {"uri": "memo://text"})

    kinds = [message.content.type for message in result.messages]
    assert kinds == ["text", "image", "audio", "resource", "resource_link"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nope", {}),
        ("☕", {}),
        ("☕ break", {}),
        ("☕ break", {"with_whom": "me", "minutes": "many"}),
        ("shelve", {"genre": "poem"}),
        ("greet", {"more": "x"}),
    ],
)
async def test_what_does_not_fit_is_an_error(
    site: Site, name: str, arguments: dict[str, str]
) -> None:
    async with site.client() as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)

    assert caught.value.code == types.INVALID_PARAMS


async def test_prompts_come_page_by_page(site: Site) -> None:
    names: list[str] = []
    async with site.client("other/mcp") as client:
        page = await client.list_prompts()
        names += [prompt.name for prompt in page.prompts]
        while page.next_cursor:
            page = await client.list_prompts(cursor=page.next_cursor)
            names += [prompt.name for prompt in page.prompts]

    assert names == [f"prompt-{number}" for number in range(10)]


SHELVE = types.PromptReference(type="ref/prompt", name="shelve")
NOTES = types.ResourceTemplateReference(type="ref/resource", uri="memo://notes/{year}/{+path}")


@pytest.mark.parametrize(
    ("ref", "argument", "context", "values"),
    [
        (SHELVE, {"name": "author", "value": "A"}, {"genre": "novel"}, ["Austen", "Atwood"]),
        (SHELVE, {"name": "author", "value": "Å"}, {"genre": "novel"}, ["Åsa"]),
        (SHELVE, {"name": "author", "value": ""}, None, []),
        (SHELVE, {"name": "genre", "value": "n"}, None, []),
        (NOTES, {"name": "year", "value": "199"}, None, [str(year) for year in range(1990, 2000)]),
    ],
)
async def test_an_argument_is_completed(
    site: Site, ref: Any, argument: dict[str, str], context: Any, values: list[str]
) -> None:
    async with site.client() as client:
        completion = (await client.complete(ref, argument, context)).completion

    assert completion.values == values
    assert completion.total == len(values)
    assert not completion.has_more


async def test_a_hundred_suggestions_are_enough(site: Site) -> None:
    async with site.client() as client:
        result = await client.complete(NOTES, {"name": "year", "value": "1"})

    assert len(result.completion.values) == 100
    assert (result.completion.total, result.completion.has_more) == (200, True)


async def test_what_does_not_exist_is_not_completed(site: Site) -> None:
    async with site.client() as client:
        ref = types.PromptReference(type="ref/prompt", name="nope")
        with pytest.raises(MCPError) as caught:
            await client.complete(ref, {"name": "author", "value": ""})

    assert caught.value.code == types.INVALID_PARAMS
