"""Answers to questions: which count, which are asked for again, and who cannot be asked at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from django_mcp import ClientCannotAnswer, Context, MCPServer, questions
from tests.conversations.talk import (
    DECLINED,
    NAME,
    accepted,
    calling,
    completion,
    form_for,
    said,
)
from tests.doors import Door

# Answers that are not what was asked for


@pytest.fixture
def greet(server: MCPServer) -> None:
    @server.tool
    async def greet(ctx: Context):  # type: ignore[no-untyped-def]
        return f"Hello, {(await ctx.ask('Who?', key='who')).data}"


WHO = {"who": form_for("Who?", NAME, ["value"])}


@pytest.mark.usefixtures("greet")
@pytest.mark.parametrize(
    "responses", [None, {}, {"whom": accepted(value="Ada")}, {"Who": accepted(value="Ada")}]
)
async def test_a_question_without_an_answer_is_asked_again(door: Door, responses: Any) -> None:
    dialogue = calling(door, "greet")
    await dialogue.asked()

    assert await dialogue.asked(responses) == WHO
    assert await dialogue.ended({"who": accepted(value="Ada")}) == said("Hello, Ada")


@pytest.mark.usefixtures("greet")
async def test_answers_nobody_asked_for_are_ignored(door: Door) -> None:
    dialogue = calling(door, "greet")
    await dialogue.asked()

    end = await dialogue.ended({"who": accepted(value="Ada"), "else": {"what": ["ever"]}})

    assert end == said("Hello, Ada")


@pytest.mark.usefixtures("greet")
async def test_what_a_form_does_not_have_is_ignored(door: Door) -> None:
    dialogue = calling(door, "greet")
    await dialogue.asked()

    end = await dialogue.ended({"who": accepted(value="Ada", age=36)})

    assert end == said("Hello, Ada")


@pytest.mark.usefixtures("greet")
async def test_an_answer_given_in_advance_is_taken_at_its_word(door: Door) -> None:
    given = {"who": accepted(value="Ada"), "else": {"what": ["ever"]}}

    assert await calling(door, "greet").ended(given) == said("Hello, Ada")


@pytest.mark.usefixtures("greet")
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"action": "agree"},
        {"action": "accept"},
        accepted(),
        accepted(value=5),
        {"action": "accept", "content": []},
        completion("Ada"),
        "Ada",
        5,
        ["accept"],
    ],
)
async def test_a_malformed_answer_is_invalid(door: Door, answer: Any) -> None:
    dialogue = calling(door, "greet")
    await dialogue.asked()

    reply = await dialogue.send({"who": answer})

    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert "inputResponses" in reply.error["message"]


@pytest.mark.usefixtures("greet")
@pytest.mark.parametrize("responses", [[], "who", 5])
async def test_answers_that_are_no_object_are_invalid(door: Door, responses: Any) -> None:
    dialogue = calling(door, "greet")
    await dialogue.asked()

    reply = await dialogue.send(responses)

    assert (reply.status, reply.error["code"]) == (400, -32602)


async def test_an_answer_counts_only_for_the_question_it_was_given_to(
    door: Door, server: MCPServer
) -> None:
    wording = ["Delete one book?"]

    @server.tool
    async def delete(ctx: Context):  # type: ignore[no-untyped-def]
        return str(await ctx.confirm(wording[0], key="sure"))

    dialogue = calling(door, "delete")
    await dialogue.asked()
    wording[0] = "Delete every book?"

    assert await dialogue.asked({"sure": accepted()}) == {"sure": form_for("Delete every book?")}


async def test_an_answer_kept_from_an_earlier_round_counts_only_for_its_question_too(
    door: Door, server: MCPServer
) -> None:
    wording = ["Delete one book?"]

    @server.tool
    async def delete(ctx: Context):  # type: ignore[no-untyped-def]
        sure = await ctx.confirm(wording[0], key="sure")
        really = await ctx.confirm("Really?", key="really")
        return f"{sure} {really}"

    dialogue = calling(door, "delete")
    await dialogue.asked()
    assert set(await dialogue.asked({"sure": accepted()})) == {"really"}
    wording[0] = "Delete every book?"

    assert await dialogue.asked({"really": accepted()}) == {"sure": form_for("Delete every book?")}
    # Whoever has the new question under the old key does not find the old answer there.
    assert await dialogue.asked({"really": accepted()}) == {"sure": form_for("Delete every book?")}
    assert await dialogue.asked({"sure": DECLINED}) == {"really": form_for("Really?")}
    assert await dialogue.ended({"really": accepted()}) == said("False True")


async def test_two_questions_under_one_key_are_a_mistake_that_is_named(
    door: Door, server: MCPServer, caplog: pytest.LogCaptureFixture
) -> None:
    @server.tool
    async def pick(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.ask("Pick a number.", int, key="number")
        await ctx.ask("Too large, pick another.", int, key="number")

    dialogue = calling(door, "pick")
    await dialogue.asked()
    result = await dialogue.ended({"number": accepted(value=50)})

    assert result["isError"] is True
    assert "'number'" in caplog.text
    assert "key=" in caplog.text


# What the client cannot be asked


ABILITIES: list[tuple[Any, Any, Any]] = [
    (questions.form("?", str), {}, {"elicitation": {"form": {}}}),
    (questions.form("?", str), {"elicitation": {"url": {}}}, {"elicitation": {"form": {}}}),
    (questions.form("?", str), {"sampling": {}, "roots": {}}, {"elicitation": {"form": {}}}),
    (questions.url("?", "https://a.example"), {}, {"elicitation": {"url": {}}}),
    (questions.url("?", "https://a.example"), {"elicitation": {}}, {"elicitation": {"url": {}}}),
    (questions.sample("?"), {"elicitation": {}}, {"sampling": {}}),
    (questions.roots(), {"roots": None}, {"roots": {}}),
]


@pytest.mark.parametrize(("question", "declared", "required"), ABILITIES)
async def test_a_client_that_did_not_declare_it_is_not_asked(
    door: Door, server: MCPServer, question: Any, declared: Any, required: Any
) -> None:
    @server.tool
    async def ask(ctx: Context):  # type: ignore[no-untyped-def]
        assert not ctx.can_ask(question)
        await ctx.ask_all({"it": question})

    reply = await calling(door, "ask", capabilities=declared).send()

    assert (reply.status, reply.error["code"]) == (400, -32021)
    assert reply.error["data"] == {"requiredCapabilities": required}


async def test_everything_that_is_missing_is_named_at_once(door: Door, server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.ask_all(
            {
                "a": questions.form("?", str),
                "b": questions.url("?", "https://a.example"),
                "c": questions.roots(),
                "d": questions.sample("?"),
            }
        )

    error = await calling(door, "ask", capabilities={"roots": {}}).refused()

    assert error["data"] == {
        "requiredCapabilities": {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
    }


@pytest.mark.parametrize("elicitation", [{}, {"form": {}}, {"form": {}, "url": {}}])
async def test_a_client_that_can_be_asked_by_form_says_so_in_two_ways(
    door: Door, server: MCPServer, elicitation: Any
) -> None:
    @server.tool
    async def ask(ctx: Context):  # type: ignore[no-untyped-def]
        assert ctx.can_ask(questions.form("?", str))
        await ctx.confirm("Well?")

    dialogue = calling(door, "ask", capabilities={"elicitation": elicitation})

    assert await dialogue.asked() == {"question-1": form_for("Well?")}


async def test_a_function_may_go_on_without_the_answer(door: Door, server: MCPServer) -> None:
    @server.tool
    async def greet(ctx: Context):  # type: ignore[no-untyped-def]
        try:
            return (await ctx.ask("Who?")).data
        except ClientCannotAnswer as error:
            return f"stranger without {list(error.required)}"

    assert await calling(door, "greet", capabilities={}).ended() == said(
        "stranger without ['elicitation']"
    )


# What a question is to the code around it


async def test_a_careless_except_does_not_swallow_a_question(door: Door, server: MCPServer) -> None:
    @server.tool
    async def awaited(ctx: Context):  # type: ignore[no-untyped-def]
        try:
            return (await ctx.ask("Who?", key="who")).data
        except Exception:
            return "swallowed"

    @server.tool
    def plain(ctx: Context):  # type: ignore[no-untyped-def]
        try:
            return ctx.wait(ctx.ask("Who?", key="who")).data
        except Exception:
            return "swallowed"

    for tool in ("awaited", "plain"):
        dialogue = calling(door, tool)

        assert await dialogue.asked() == WHO
        assert await dialogue.ended({"who": accepted(value="Ada")}) == said("Ada")


async def test_what_must_be_put_away_is_put_away_when_a_question_is_asked(
    door: Door, server: MCPServer
) -> None:
    seen: list[str] = []

    @server.tool
    async def lend(ctx: Context):  # type: ignore[no-untyped-def]
        seen.append("taken")
        try:
            return str(await ctx.confirm("Lend it?"))
        finally:
            seen.append("put back")

    dialogue = calling(door, "lend")
    await dialogue.asked()
    await dialogue.ended({"question-1": accepted()})

    assert seen == ["taken", "put back"] * 2


async def test_questions_of_one_call_are_none_of_anothers(
    streaming: Door, server: MCPServer
) -> None:
    @server.tool
    async def greet(ctx: Context, greeting: str):  # type: ignore[no-untyped-def]
        return f"{greeting}, {(await ctx.ask('Who?')).data}"

    hello = calling(streaming, "greet", arguments={"greeting": "Hello"})
    moin = calling(streaming, "greet", arguments={"greeting": "Moin"})
    await asyncio.gather(hello.asked(), moin.asked())

    ends = await asyncio.gather(
        hello.ended({"question-1": accepted(value="Ada")}),
        moin.ended({"question-1": accepted(value="Bob")}),
    )

    assert ends == [said("Hello, Ada"), said("Moin, Bob")]
