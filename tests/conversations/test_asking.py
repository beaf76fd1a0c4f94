"""Questions to the client: asked inside a result, answered with the next request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import pytest

from django_mcp import Context, MCPServer, questions
from tests.conversations.talk import (
    DECLINED,
    DISMISSED,
    NAME,
    Dialogue,
    accepted,
    calling,
    complete,
    completion,
    form_for,
    read,
    said,
)
from tests.doors import Door


@dataclass
class Visitor:
    """Who has come."""

    name: str
    age: int = 18


# One question


async def test_a_question_to_agree_is_asked_and_answered(door: Door, server: MCPServer) -> None:
    @server.tool
    async def delete(ctx: Context, book: str):  # type: ignore[no-untyped-def]
        return "Deleted." if await ctx.confirm(f"Delete {book}?") else "Kept."

    for answer, end in ((accepted(), "Deleted."), (DECLINED, "Kept."), (DISMISSED, "Kept.")):
        dialogue = calling(door, "delete", arguments={"book": "Momo"})

        asked = await dialogue.asked()

        assert asked == {"question-1": form_for("Delete Momo?")}
        assert await dialogue.ended({"question-1": answer}) == said(end)


async def test_a_question_for_a_value_gives_the_value(door: Door, server: MCPServer) -> None:
    @server.tool
    async def greet(ctx: Context):  # type: ignore[no-untyped-def]
        answer = await ctx.ask("Who are you?")
        return f"{answer.action} {answer.accepted} {answer.data!r}"

    for answer, end in (
        (accepted(value="Ada"), "accept True 'Ada'"),
        (DECLINED, "decline False None"),
        (DISMISSED, "cancel False None"),
    ):
        dialogue = calling(door, "greet")

        asked = await dialogue.asked()

        assert asked == {"question-1": form_for("Who are you?", NAME, ["value"])}
        assert await dialogue.ended({"question-1": answer}) == said(end)


async def test_a_form_comes_back_as_the_type_that_was_asked_for(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def enter(ctx: Context):  # type: ignore[no-untyped-def]
        return repr((await ctx.ask("Who are you?", Visitor)).data)

    dialogue = calling(door, "enter")
    asked = await dialogue.asked()

    assert asked["question-1"]["params"]["requestedSchema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "Name"},
            "age": {"type": "integer", "title": "Age", "default": 18},
        },
        "required": ["name"],
    }
    assert await dialogue.ended({"question-1": accepted(name="Ada")}) == said(
        "Visitor(name='Ada', age=18)"
    )


async def test_a_question_with_options_gives_one_of_them(door: Door, server: MCPServer) -> None:
    @server.tool
    async def choose(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.ask("Which?", Literal["red", "blue"])).data

    dialogue = calling(door, "choose")
    asked = await dialogue.asked()

    assert asked == {
        "question-1": form_for(
            "Which?", {"value": {"type": "string", "enum": ["red", "blue"]}}, ["value"]
        )
    }
    assert await dialogue.ended({"question-1": accepted(value="blue")}) == said("blue")


async def test_a_user_can_be_sent_to_a_page(door: Door, server: MCPServer) -> None:
    @server.tool
    async def pay(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.ask_url("Please pay.", "https://pay.example.com/7", key="pay")).action

    dialogue = calling(door, "pay")
    asked = await dialogue.asked()

    params = {"mode": "url", "message": "Please pay.", "url": "https://pay.example.com/7"}
    assert asked == {"pay": {"method": "elicitation/create", "params": params}}
    assert await dialogue.ended({"pay": {"action": "accept"}}) == said("accept")


async def test_the_clients_model_can_be_asked(door: Door, server: MCPServer) -> None:
    @server.tool
    async def summarize(ctx: Context):  # type: ignore[no-untyped-def]
        found = await ctx.sample(
            "Sum it up.", max_tokens=50, system_prompt="Be brief.", temperature=0.5
        )
        return f"{found.model} ({found.stop_reason}): {found.content.text}"

    dialogue = calling(door, "summarize", capabilities={"sampling": {}})
    asked = await dialogue.asked()

    assert asked == {
        "question-1": {
            "method": "sampling/createMessage",
            "params": {
                "messages": [
                    {"role": "user", "content": {"type": "text", "text": "Sum it up."}},
                ],
                "maxTokens": 50,
                "systemPrompt": "Be brief.",
                "temperature": 0.5,
            },
        }
    }
    assert await dialogue.ended({"question-1": completion("Short.")}) == said(
        "a-model (endTurn): Short."
    )


async def test_the_clients_roots_can_be_asked_for(door: Door, server: MCPServer) -> None:
    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        return " ".join(f"{root.name}={root.uri}" for root in await ctx.list_roots())

    dialogue = calling(door, "look", capabilities={"roots": {}})
    asked = await dialogue.asked()

    assert asked == {"question-1": {"method": "roots/list", "params": {}}}
    answer = {"roots": [{"uri": "file:///home/ada", "name": "home"}]}
    assert await dialogue.ended({"question-1": answer}) == said("home=file:///home/ada")


# Where questions are asked


async def test_a_prompt_may_ask(door: Door, server: MCPServer) -> None:
    @server.prompt
    async def review(ctx: Context, book: str) -> str:
        return f"Review {book}, {(await ctx.ask('In which tone?')).data}."

    dialogue = Dialogue(door, "prompts/get", {"name": "review", "arguments": {"book": "Momo"}})

    assert set(await dialogue.asked()) == {"question-1"}
    assert await dialogue.ended({"question-1": accepted(value="kindly")}) == complete(
        messages=[
            {"role": "user", "content": {"type": "text", "text": "Review Momo, kindly."}},
        ]
    )


async def test_a_resource_may_ask(door: Door, server: MCPServer) -> None:
    @server.resource("library://secrets/{number}")
    async def secret(ctx: Context, number: int) -> str:
        return f"{number}" if await ctx.confirm("Really?") else "nothing"

    dialogue = Dialogue(door, "resources/read", {"uri": "library://secrets/7"})

    assert await dialogue.asked() == {"question-1": form_for("Really?")}
    assert await dialogue.ended({"question-1": accepted()}) == read("library://secrets/7", "7")


async def test_a_resource_a_tool_reads_asks_for_the_tool(door: Door, server: MCPServer) -> None:
    @server.resource("library://secret")
    async def secret(ctx: Context) -> str:
        return "open" if await ctx.confirm("Open?") else "shut"

    @server.tool
    async def peek(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.read_resource("library://secret"))[0].text

    dialogue = calling(door, "peek")

    assert await dialogue.asked() == {"question-1": form_for("Open?")}
    assert await dialogue.ended({"question-1": accepted()}) == said("open")


async def test_a_sync_function_asks_too(door: Door, server: MCPServer) -> None:
    @server.tool
    def greet(ctx: Context):  # type: ignore[no-untyped-def]
        first = ctx.wait(ctx.ask("First name?")).data
        last = ctx.wait(ctx.ask("Last name?")).data
        return f"{first} {last}"

    dialogue = calling(door, "greet")

    assert await dialogue.asked() == {"question-1": form_for("First name?", NAME, ["value"])}
    assert await dialogue.asked({"question-1": accepted(value="Ada")}) == {
        "question-2": form_for("Last name?", NAME, ["value"])
    }
    assert await dialogue.ended({"question-2": accepted(value="Lovelace")}) == said("Ada Lovelace")


async def test_where_nothing_may_be_asked_the_call_fails(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.prompt
    async def review(book: str) -> str:
        raise NotImplementedError

    @server.completion("review", "book")
    async def books(ctx: Context, value: str) -> list[str]:
        await ctx.confirm("Shall I?")
        raise NotImplementedError

    ref = {"type": "ref/prompt", "name": "review"}
    params = {"ref": ref, "argument": {"name": "book", "value": ""}}
    reply = await door.call("completion/complete", params, capabilities={"elicitation": {}})

    assert reply.error["code"] == -32603
    assert "only tools, prompts and resources may ask" in caplog.text


# Several questions


async def test_several_questions_are_asked_at_once(door: Door, server: MCPServer) -> None:
    @server.tool
    async def plan(ctx: Context):  # type: ignore[no-untyped-def]
        answers = await ctx.ask_all(
            {
                "name": questions.form("Who?", str),
                "idea": questions.sample("An idea?"),
                "where": questions.roots(),
                "pay": questions.url("Pay.", "https://pay.example.com"),
            }
        )
        return [answers["name"].data, answers["idea"].content.text, answers["pay"].action] + [
            root.uri for root in answers["where"]
        ]

    dialogue = calling(door, "plan")
    asked = await dialogue.asked()
    end = await dialogue.ended(
        {
            "name": accepted(value="Ada"),
            "idea": completion("Read."),
            "where": {"roots": [{"uri": "file:///a"}]},
            "pay": {"action": "accept"},
        }
    )

    assert {key: each["method"] for key, each in asked.items()} == {
        "name": "elicitation/create",
        "idea": "sampling/createMessage",
        "where": "roots/list",
        "pay": "elicitation/create",
    }
    assert end == said('["Ada","Read.","accept","file:///a"]')


async def test_what_was_left_out_is_asked_again_and_what_was_answered_is_kept(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def add(ctx: Context):  # type: ignore[no-untyped-def]
        answers = await ctx.ask_all(
            {name: questions.form(f"{name}?", int) for name in ("a", "b", "c")}
        )
        return str(sum(answer.data for answer in answers.values()))

    dialogue = calling(door, "add")

    assert set(await dialogue.asked()) == {"a", "b", "c"}
    assert set(await dialogue.asked({"b": accepted(value=20)})) == {"a", "c"}
    assert set(await dialogue.asked({"c": accepted(value=300)})) == {"a"}
    assert await dialogue.ended({"a": accepted(value=1)}) == said("321")


async def test_a_call_may_take_as_many_rounds_as_it_has_questions(
    door: Door, server: MCPServer
) -> None:
    runs: list[int] = []

    @server.tool
    async def add(ctx: Context):  # type: ignore[no-untyped-def]
        runs.append(len(runs))
        found = [(await ctx.ask(f"Number {number}?", int)).data for number in range(4)]
        return str(found)

    dialogue = calling(door, "add")
    asked = await dialogue.asked()
    for number in range(3):
        assert list(asked) == [f"question-{number + 1}"]
        assert asked[f"question-{number + 1}"]["params"]["message"] == f"Number {number}?"
        asked = await dialogue.asked({f"question-{number + 1}": accepted(value=number * 10)})

    assert await dialogue.ended({"question-4": accepted(value=30)}) == said("[0, 10, 20, 30]")
    assert len(runs) == 5


async def test_tasks_that_ask_side_by_side_ask_at_once(door: Door, server: MCPServer) -> None:
    @server.tool
    async def meet(ctx: Context):  # type: ignore[no-untyped-def]
        async with asyncio.TaskGroup() as group:
            first = group.create_task(ctx.ask("First?", key="first"))
            second = group.create_task(ctx.ask("Second?", key="second"))
        return f"{first.result().data} and {second.result().data}"

    dialogue = calling(door, "meet")

    assert await dialogue.asked() == {
        "first": form_for("First?", NAME, ["value"]),
        "second": form_for("Second?", NAME, ["value"]),
    }
    answers = {"first": accepted(value="Ada"), "second": accepted(value="Bob")}
    assert await dialogue.ended(answers) == said("Ada and Bob")


async def test_tasks_inside_tasks_ask_at_once_too(door: Door, server: MCPServer) -> None:
    @server.tool
    async def meet(ctx: Context):  # type: ignore[no-untyped-def]
        async def pair(name: str) -> str:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ctx.ask(f"{name}{n}?", int)) for n in range(2)]
            return name + "".join(str(task.result().data) for task in tasks)

        async with asyncio.TaskGroup() as group:
            pairs = [group.create_task(pair(name)) for name in "ab"]
        return " ".join(task.result() for task in pairs)

    dialogue = calling(door, "meet")
    asked = await dialogue.asked()

    assert sorted(each["params"]["message"] for each in asked.values()) == [
        "a0?",
        "a1?",
        "b0?",
        "b1?",
    ]
    answers = {key: accepted(value=index) for index, key in enumerate(sorted(asked), 1)}
    assert (await dialogue.ended(answers))["content"][0]["text"] == "a12 b34"


async def test_a_task_that_fails_beside_one_that_asks_fails_the_call(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def meet(ctx: Context):  # type: ignore[no-untyped-def]
        async def fail() -> None:
            raise ValueError("secret")

        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.confirm("Shall we?"))
            group.create_task(fail())

    result = await calling(door, "meet").ended()

    assert result["isError"] is True
    assert "secret" not in str(result)
    assert "ValueError: secret" in caplog.text
