"""Questions over a connection: a request on the stream of the call, which waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest

from django_mcp import ClientCannotAnswer, Context, MCPServer, NoAnswer, questions
from django_mcp.authentication import anonymous
from django_mcp.server.sessions import NoSessions
from tests.conversations.talk import (
    ASKABLE,
    DECLINED,
    DISMISSED,
    PATIENCE,
    STATEFUL,
    Client,
    Departure,
    accepted,
    calling,
    completion,
    nothing_is_left,
    texts,
)
from tests.doors import AsgiDoor, Door

pytestmark = pytest.mark.usefixtures("leaves_nothing")

ELICITING = STATEFUL[2:]
BOTH_ERAS = ("2025-11-25", "2026-07-28")


async def asked(client: Client, call: Any) -> Any:
    """The next question, which is a request with an id of the server's own."""
    question = await call.message()
    assert question.keys() - {"params"} == {"jsonrpc", "id", "method"}, question
    assert isinstance(question["id"], str)
    return question


async def ended(call: Any) -> Any:
    """The result at the end of a call that has nothing more to say."""
    (answer,) = await call.messages()
    return answer["result"]


async def dialogue(client: Client, tool: str, *answers: Any, **arguments: Any) -> tuple[Any, Any]:
    """Call a tool and answer what it asks; the questions, and the answer to the call."""
    seen = []
    async with client.calling(tool, **arguments) as call:
        for answer in answers:
            seen.append(await asked(client, call))
            reply = await client.answer(seen[-1], answer)
            assert (reply.status, reply.body) == (202, b"")
        (end,) = await call.messages()
    return seen, end


# Every kind of question


@pytest.mark.parametrize("revision", ELICITING)
@pytest.mark.parametrize(
    ("answer", "end"), [(accepted(), "yes"), (DECLINED, "no"), (DISMISSED, "no")]
)
async def test_a_user_is_asked_to_agree(
    streaming: AsgiDoor, server: MCPServer, revision: str, answer: Any, end: str
) -> None:
    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        return "yes" if await ctx.confirm("Sure?") else "no"

    client = await Client(streaming, revision).begin()
    (question,), answered = await dialogue(client, "agree", answer)

    form = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
    mode = {"mode": "form"} if revision == "2025-11-25" else {}
    assert question["method"] == "elicitation/create"
    assert question["params"] == {**mode, **form}
    assert answered["result"]["content"] == texts(end)


CHOICES: dict[str, Any] = {
    "untitled": {"type": "string", "enum": ["a", "b"], "default": "b"},
    "titled": {
        "type": "string",
        "oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}],
        "default": "b",
    },
    "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]},
    "several-titled": {
        "type": "array",
        "items": {"anyOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        "default": ["a"],
    },
    "legacy": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"], "default": "b"},
}
#: How 2025-06-18 writes them; it knows no default of choices, and nothing of several.
OLDER: dict[str, Any] = {
    "untitled": {"type": "string", "enum": ["a", "b"]},
    "titled": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
    "legacy": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
}
PLAIN: dict[str, Any] = {
    "name": {"type": "string", "title": "Name", "minLength": 1, "default": "Ada"},
    "age": {"type": "integer", "minimum": 0, "default": 18},
    "member": {"type": "boolean", "default": True},
}


@pytest.mark.parametrize("revision", ELICITING)
async def test_every_kind_of_choice_is_written_as_the_revision_has_it(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    form = {"type": "object", "properties": {**CHOICES, **PLAIN}}

    @server.tool
    async def choose(ctx: Context):  # type: ignore[no-untyped-def]
        answer = await ctx.ask("Which?", form)
        return sorted((answer.data or {}).items())

    client = await Client(streaming, revision).begin()
    given = {"untitled": "a", "titled": "b", "legacy": "a", "age": 7}
    if revision == "2025-11-25":
        given = {**given, "several": ["a", "b"], "several-titled": []}  # type: ignore[dict-item]
    (question,), answered = await dialogue(client, "choose", accepted(**given))

    properties = question["params"]["requestedSchema"]["properties"]
    if revision == "2025-11-25":
        assert properties == {**CHOICES, **PLAIN}
    else:
        assert {name: properties[name] for name in OLDER} == OLDER
        assert properties.keys() == {*OLDER, *PLAIN}
    assert answered["result"]["content"][0]["text"].startswith('[["age",7]')


async def test_a_user_is_sent_to_a_page_and_told_when_all_is_done_there(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    url = "https://pay.example.com/7"

    @server.tool
    async def pay(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.ask_url("Please pay.", url)).action

    client = await Client(streaming).begin()
    other = await Client(streaming).begin()

    async with client.listening() as stream, other.listening() as beside:
        (question,), answered = await dialogue(client, "pay", {"action": "accept"})
        id = question["params"].pop("elicitationId")
        assert question["params"] == {"mode": "url", "message": "Please pay.", "url": url}
        assert answered["result"]["content"] == texts("accept")

        server.notify_elicitation_complete("https://pay.example.com/8")
        server.notify_elicitation_complete(url)
        server.notify_tools_changed()
        complete = {
            "jsonrpc": "2.0",
            "method": "notifications/elicitation/complete",
            "params": {"elicitationId": id},
        }
        assert await stream.message() == complete
        for each in (stream, beside):
            assert (await each.message())["method"] == "notifications/tools/list_changed"


async def test_a_page_has_another_id_in_every_session(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    @server.tool
    async def pay(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.ask_url("Please pay.", "https://pay.example.com")).action

    ids = set()
    for _ in range(2):
        client = await Client(streaming).begin()
        for _ in range(2):
            (question,), _ = await dialogue(client, "pay", DECLINED)
            ids.add(question["params"]["elicitationId"])

    assert [type(id) for id in ids] == [str, str]


async def test_a_page_that_has_to_be_visited_first_fails_the_call(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    @server.tool
    async def sync(ctx: Context) -> None:
        await ctx.require_url("Link your account.", "https://link.example.com")

    client = await Client(streaming).begin()
    reply = await client.post(client.call("sync"))
    newest = await calling(streaming, "sync").asked()

    assert (reply.status, reply.error["code"]) == (200, -32042)
    (elicitation,) = reply.error["data"]["elicitations"]
    assert elicitation.pop("elicitationId")
    params = {"mode": "url", "message": "Link your account.", "url": "https://link.example.com"}
    assert elicitation == params
    assert list(newest.values()) == [{"method": "elicitation/create", "params": params}]


@pytest.mark.parametrize("declared", [{}, {"url": {}}, {"form": {}, "url": {}}])
async def test_a_revision_without_pages_sends_nobody_to_one(
    streaming: AsgiDoor, server: MCPServer, declared: Any
) -> None:
    @server.tool
    async def pay(ctx: Context):  # type: ignore[no-untyped-def]
        assert not ctx.can_ask(questions.url("Please pay.", "https://pay.example.com"))
        with pytest.raises(ClientCannotAnswer):
            await ctx.ask_url("Please pay.", "https://pay.example.com")
        await ctx.require_url("Please pay.", "https://pay.example.com")

    client = await Client(streaming, "2025-06-18", capabilities={"elicitation": declared}).begin()
    reply = await client.post(client.call("pay"))

    assert (reply.status, reply.error["code"]) == (200, -32021)


@pytest.mark.parametrize("revision", STATEFUL)
async def test_the_client_s_model_and_roots_are_asked_for(
    streaming: AsgiDoor, server: MCPServer, revision: str
) -> None:
    @server.tool
    async def look(ctx: Context):  # type: ignore[no-untyped-def]
        said = await ctx.sample("Hello?", max_tokens=5, system_prompt="Be brief.")
        roots = await ctx.list_roots()
        return f"{said.content.text} {[str(root.uri) for root in roots]}"

    client = await Client(streaming, revision).begin()
    answers = completion("Hi."), {"roots": [{"uri": "file:///a"}]}
    (model, roots), answered = await dialogue(client, "look", *answers)

    assert (model["method"], roots["method"]) == ("sampling/createMessage", "roots/list")
    assert model["params"] == {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Hello?"}}],
        "maxTokens": 5,
        "systemPrompt": "Be brief.",
    }
    assert answered["result"]["content"] == texts("Hi. ['file:///a']")


async def test_the_client_s_model_may_use_tools(streaming: AsgiDoor, server: MCPServer) -> None:
    tool = {"name": "add", "inputSchema": {"type": "object"}}

    @server.tool
    async def plan(ctx: Context):  # type: ignore[no-untyped-def]
        said = await ctx.sample("Add.", tools=[tool], tool_choice={"mode": "required"})
        return f"{said.stop_reason} {said.content.name}"

    client = await Client(streaming).begin()
    use = {"type": "tool_use", "id": "1", "name": "add", "input": {}}
    answer = {**completion(""), "content": use, "stopReason": "toolUse"}
    (question,), answered = await dialogue(client, "plan", answer)

    assert question["params"]["tools"] == [tool]
    assert question["params"]["toolChoice"] == {"mode": "required"}
    assert answered["result"]["content"] == texts("toolUse add")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
async def test_several_questions_go_out_at_once_and_are_answered_in_any_order(
    streaming: AsgiDoor, server: MCPServer, order: tuple[int, ...]
) -> None:
    @server.tool
    async def all_at_once(ctx: Context):  # type: ignore[no-untyped-def]
        found = await ctx.ask_all(
            {
                "name": questions.form("Who?", str),
                "roots": questions.roots(),
                "model": questions.sample("Hello?"),
            }
        )
        return f"{found['name'].data} {len(found['roots'])} {found['model'].content.text}"

    client = await Client(streaming).begin()
    answers = [accepted(value="Ada"), {"roots": []}, completion("Hi.")]
    async with client.calling("all_at_once") as call:
        out = [await asked(client, call) for _ in range(3)]
        for place in order:
            await client.answer(out[place], answers[place])
        assert (await ended(call))["content"] == texts("Ada 0 Hi.")


@pytest.mark.parametrize("method", ["prompts/get", "resources/read", "completion/complete"])
async def test_prompts_and_resources_ask_too_and_nothing_else_does(
    streaming: AsgiDoor, server: MCPServer, method: str
) -> None:
    @server.prompt
    async def greet(ctx: Context, who: str = "") -> str:
        return f"Greet {(await ctx.ask('Who?')).data}."

    @server.resource("x://who")
    async def who(ctx: Context) -> str:
        return f"Read {(await ctx.ask('Who?')).data}."

    @server.completion("greet", "who")
    async def complete(ctx: Context, value: str) -> list[str]:
        with pytest.raises(RuntimeError, match="Nothing can be asked"):
            await ctx.ask("Who?")
        return ["nobody"]

    params: dict[str, Any] = {
        "prompts/get": {"name": "greet"},
        "resources/read": {"uri": "x://who"},
        "completion/complete": {
            "ref": {"type": "ref/prompt", "name": "greet"},
            "argument": {"name": "who", "value": ""},
        },
    }
    client = await Client(streaming).begin()
    async with client.opened(client.message(method, params[method])) as call:
        if method != "completion/complete":
            await client.answer(await asked(client, call), accepted(value="Ada"))
        result = await ended(call)

    assert ("Ada." in str(result)) != (result.get("completion", {}).get("values") == ["nobody"])


@pytest.mark.parametrize("revision", BOTH_ERAS)
async def test_a_sync_function_asks_too(guarded: Any, server: MCPServer, revision: str) -> None:
    # Not by the view: a test has one thread for what is sync, where the answer would have to wait
    # for the call that waits for it.
    server.add_tool(in_a_thread)

    result = await Eras(guarded(anonymous), revision).call("in_a_thread", FORM)

    assert result["content"] == texts("red")


@pytest.mark.parametrize("revision", STATEFUL)
async def test_both_sides_can_ping(streaming: AsgiDoor, server: MCPServer, revision: str) -> None:
    @server.tool
    async def knock(ctx: Context):  # type: ignore[no-untyped-def]
        await ctx.ping()
        return "somebody is there"

    client = Client(streaming, revision)
    await client.initialize()  # Before initialized, a ping is all that a server may send.
    (question,), answered = await dialogue(client, "knock", {})

    assert (question["method"], "params" in question) == ("ping", False)
    assert answered["result"]["content"] == texts("somebody is there")
    assert (await client.request("ping")).result == {}


# The same tools in both eras


class Eras:
    """Calls a tool as a client of either era would, answering every question by its method."""

    def __init__(self, door: AsgiDoor, revision: str) -> None:
        self.door = door
        self.revision = revision

    async def call(self, tool: str, answers: Any, **arguments: Any) -> Any:
        if self.revision == "2026-07-28":
            return await self._in_rounds(tool, answers, arguments)
        client = await Client(self.door, self.revision).begin()
        async with client.calling(tool, **arguments) as call:
            while True:
                message = await call.message()
                if "method" not in message:
                    return message["result"]
                await client.answer(message, answers[message["method"]])

    async def _in_rounds(self, tool: str, answers: Any, arguments: Any) -> Any:
        rounds = calling(self.door, tool, arguments=arguments)
        responses = None
        while True:
            result = (await rounds.send(responses)).result
            if result["resultType"] == "complete":
                return result
            rounds.state = result["requestState"]
            responses = {
                key: answers[asked["method"]] for key, asked in result["inputRequests"].items()
            }


async def confirm(ctx: Context, book: str):  # type: ignore[no-untyped-def]
    return f"{book} is deleted" if await ctx.confirm(f"Delete {book}?") else f"{book} is kept"


async def enter(ctx: Context):  # type: ignore[no-untyped-def]
    return f"{(await ctx.ask('Which?', Literal['red', 'blue'])).data}"


async def twice(ctx: Context):  # type: ignore[no-untyped-def]
    first = await ctx.ask("One?", Literal["red", "blue"])
    second = await ctx.ask("Two?", Literal["red", "blue"])
    return f"{first.data} {second.data}"


async def visit(ctx: Context):  # type: ignore[no-untyped-def]
    return (await ctx.ask_url("Pay.", "https://pay.example.com")).action


async def model(ctx: Context):  # type: ignore[no-untyped-def]
    return (await ctx.sample("Hello?")).content.text


async def roots(ctx: Context):  # type: ignore[no-untyped-def]
    return [str(root.uri) for root in await ctx.list_roots()]


async def together(ctx: Context):  # type: ignore[no-untyped-def]
    found = await ctx.ask_all({"a": questions.roots(), "b": questions.sample("Hello?")})
    return f"{len(found['a'])} {found['b'].content.text}"


async def able(ctx: Context):  # type: ignore[no-untyped-def]
    return [ctx.can_ask(questions.roots()), ctx.can_ask(questions.form("Who?", str))]


async def side_by_side(ctx: Context):  # type: ignore[no-untyped-def]
    async with asyncio.TaskGroup() as group:
        one = group.create_task(ctx.ask("One?", Literal["red", "blue"], key="one"))
        two = group.create_task(ctx.list_roots(key="two"))
    return f"{one.result().data} {len(two.result())}"


def in_a_thread(ctx: Context):  # type: ignore[no-untyped-def]
    return ctx.wait(ctx.ask("Which?", Literal["red", "blue"])).data


FORM = {"elicitation/create": {"action": "accept", "content": {"value": "red"}}}
EVERYTHING = {
    **FORM,
    "sampling/createMessage": completion("Hi."),
    "roots/list": {"roots": [{"uri": "file:///a"}]},
}
TABLE: list[tuple[Callable[..., Any], Any, dict[str, Any], str]] = [
    (confirm, FORM, {"book": "Momo"}, "Momo is deleted"),
    (confirm, {"elicitation/create": DECLINED}, {"book": "Momo"}, "Momo is kept"),
    (enter, FORM, {}, "red"),
    (enter, {"elicitation/create": DISMISSED}, {}, "None"),
    (twice, FORM, {}, "red red"),
    (visit, {"elicitation/create": {"action": "accept"}}, {}, "accept"),
    (model, EVERYTHING, {}, "Hi."),
    (roots, EVERYTHING, {}, '["file:///a"]'),
    (together, EVERYTHING, {}, "1 Hi."),
    (able, {}, {}, "[true,true]"),
    (side_by_side, EVERYTHING, {}, "red 1"),
]


@pytest.mark.parametrize("revision", BOTH_ERAS)
@pytest.mark.parametrize(
    ("tool", "answers", "arguments", "end"), TABLE, ids=[row[0].__name__ for row in TABLE]
)
async def test_a_tool_does_the_same_in_both_eras(
    streaming: AsgiDoor,
    server: MCPServer,
    revision: str,
    tool: Any,
    answers: Any,
    arguments: Any,
    end: str,
) -> None:
    server.add_tool(tool)

    result = await Eras(streaming, revision).call(tool.__name__, answers, **arguments)

    assert result["content"] == texts(end)
    assert "isError" not in result


# Answers that are none


@pytest.fixture
def greeting(server: MCPServer) -> None:
    @server.tool
    async def greet(ctx: Context):  # type: ignore[no-untyped-def]
        return (await ctx.ask("Who?")).data


@pytest.mark.usefixtures("greeting")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "does not fit"),
        ({"action": "maybe"}, "does not fit"),
        ({"action": "accept"}, "does not fit"),
        ({"action": "accept", "content": {"value": 5}}, "does not fit"),
        ({"action": "accept", "content": []}, "does not fit"),
    ],
)
async def test_an_answer_that_does_not_fit_fails_the_call_in_words(
    streaming: AsgiDoor, answer: Any, words: str
) -> None:
    client = await Client(streaming).begin()

    _, answered = await dialogue(client, "greet", answer)

    assert answered["result"]["isError"] is True
    assert words in answered["result"]["content"][0]["text"]


@pytest.mark.usefixtures("greeting")
@pytest.mark.parametrize(
    "error",
    [
        {"code": -1, "message": "User rejected"},
        {},
        {"code": "x", "message": 5},
        {"message": "m" * 9999},
    ],
)
async def test_an_error_for_an_answer_fails_the_call_in_words(
    streaming: AsgiDoor, error: Any
) -> None:
    client = await Client(streaming).begin()

    async with client.calling("greet") as call:
        question = await asked(client, call)
        assert (await client.answer(question, error=error)).status == 202
        result = await ended(call)

    text = result["content"][0]["text"]
    assert result["isError"] is True
    assert text.startswith("The client answered elicitation/create with an error: ")
    assert len(text) < 500


@pytest.mark.usefixtures("greeting")
async def test_an_answer_to_nothing_is_refused(streaming: AsgiDoor) -> None:
    client = await Client(streaming).begin()

    async with client.calling("greet") as call:
        question = await asked(client, call)
        for id in ("unknown", "", 1, question["id"].upper()):
            assert (await client.answer({"id": id}, accepted(value="Eve"))).status == 400
        await client.answer(question, accepted(value="Ada"))
        assert (await ended(call))["content"] == texts("Ada")
    # Nor does an answer come twice.
    assert (await client.answer(question, accepted(value="Eve"))).status == 400


async def test_an_answer_without_an_id_is_refused(door: Door) -> None:
    client = await Client(door).begin()
    error = {"jsonrpc": "2.0", "error": {"code": -32700, "message": "?"}}

    assert (await client.post(error)).status == 400


async def test_a_question_that_nobody_answers_in_time_is_withdrawn(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    server.question_timeout = 0.01

    @server.tool
    async def wait(ctx: Context):  # type: ignore[no-untyped-def]
        return await ctx.ask_all({"a": questions.roots(), "b": questions.roots()})

    client = await Client(streaming).begin()
    async with client.calling("wait") as call:
        # On a busy machine, the time of the first may be over before the second is asked.
        said = [await call.message() for _ in range(4)]
        result = await ended(call)

    ids = [each["id"] for each in said if each["method"] == "roots/list"]
    withdrawn = [each for each in said if each["method"] == "notifications/cancelled"]
    assert len(ids) == 2
    assert [each["params"]["requestId"] for each in withdrawn] == ids
    assert result["isError"] is True
    assert result["content"] == texts("The client did not answer roots/list within 0.01 seconds.")
    assert (await client.answer({"id": ids[0]}, {"roots": []})).status == 400


async def test_a_call_may_go_on_without_an_answer(streaming: AsgiDoor, server: MCPServer) -> None:
    @server.tool
    async def try_hard(ctx: Context):  # type: ignore[no-untyped-def]
        try:
            await ctx.confirm("Sure?")
        except NoAnswer:
            return "never mind"

    client = await Client(streaming).begin()
    async with client.calling("try_hard") as call:
        await client.answer(await asked(client, call), error={"code": 1, "message": "no"})
        assert (await ended(call))["content"] == texts("never mind")


# Clients that cannot be asked


@pytest.mark.parametrize(
    ("revision", "capabilities"),
    [(r, {}) for r in STATEFUL] + [(r, ASKABLE) for r in STATEFUL[:2]],
)
async def test_a_client_that_has_no_forms_is_asked_none(
    streaming: AsgiDoor, server: MCPServer, revision: str, capabilities: Any
) -> None:
    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        assert not ctx.can_ask(questions.form("Sure?", None))
        return await ctx.confirm("Sure?")

    client = await Client(streaming, revision, capabilities=capabilities).begin()
    reply = await client.post(client.call("agree"))

    assert (reply.status, reply.error["code"]) == (200, -32021)
    assert reply.error["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}


async def test_a_client_is_asked_nothing_before_it_is_initialized(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        return "yes" if await ctx.confirm("Sure?") else "no"

    client = Client(streaming)
    await client.initialize()
    result = await client.tool("agree")

    assert result["isError"] is True
    assert "notifications/initialized" in result["content"][0]["text"]
    await client.notify("notifications/initialized")
    _, answered = await dialogue(client, "agree", accepted())
    assert answered["result"]["content"] == texts("yes")


async def test_a_client_that_says_during_the_call_that_it_is_initialized_is_asked(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        begun.set()
        await go.wait()
        return "yes" if await ctx.confirm("Sure?") else "no"

    async def ready() -> None:
        await begun.wait()
        await client.notify("notifications/initialized")
        go.set()

    client = Client(streaming)
    await client.initialize()
    saying = asyncio.ensure_future(ready())
    _, answered = await dialogue(client, "agree", accepted())
    await saying

    assert answered["result"]["content"] == texts("yes")


async def test_where_nothing_is_streamed_nothing_is_asked(guarded: Any, server: MCPServer) -> None:
    @server.tool
    async def agree(ctx: Context):  # type: ignore[no-untyped-def]
        assert not ctx.can_ask(questions.roots())
        with pytest.raises(NoAnswer):
            await ctx.ping()
        return await ctx.confirm("Sure?")

    client = await Client(guarded(anonymous, "wsgi")).begin()
    reply = await client.post(client.call("agree"))

    assert reply.error["code"] == -32021


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_client_that_has_gone_for_good_is_not_waited_for(
    departing: Departure, server: MCPServer, keeps: bool
) -> None:
    """Without a stream that could be resumed, nobody will ever see the question."""
    begun, gone = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    @server.tool
    async def agree(ctx: Context) -> None:
        await ctx.report_progress(1)
        begun.set()
        await gone.wait()
        try:
            await ctx.confirm("Sure?")
        except NoAnswer as error:
            seen.append(str(error))

    client = await Client(departing.door, "2025-06-18" if keeps else "2024-11-05").begin()
    server.question_timeout = 0.01
    if not keeps:
        server.question_timeout = 600
        client.capabilities = ASKABLE

        async def look(ctx: Context) -> None:
            await ctx.report_progress(1)
            begun.set()
            await gone.wait()
            try:
                await ctx.list_roots()
            except NoAnswer as error:
                seen.append(str(error))

        server.add_tool(look)
    async with client.calling("agree" if keeps else "look", token="t") as call:
        await call.message()
        await begun.wait()
        await getattr(call, departing.how)()
    gone.set()
    await nothing_is_left(server)

    # One that may come back is given its time.
    assert ("within" in seen[0]) == keeps
    assert ("gone" in seen[0]) != keeps


async def test_a_call_that_is_cancelled_while_it_asks_withdraws_its_question(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    seen: list[str] = []

    @server.tool
    async def agree(ctx: Context) -> None:
        try:
            await ctx.confirm("Sure?")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    client = await Client(streaming).begin()
    async with client.calling("agree", id="a") as call:
        question = await asked(client, call)
        await client.cancel("a")
        withdrawn = await call.message()
        (answer,) = await call.messages()

    assert withdrawn["method"] == "notifications/cancelled"
    assert withdrawn["params"]["requestId"] == question["id"]
    assert answer["error"]["code"] == -32800
    assert seen == ["cancelled"]
    assert (await client.answer(question, accepted())).status == 400


async def test_an_answer_reaches_only_its_own_question(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    @server.tool
    async def greet(ctx: Context, who: str):  # type: ignore[no-untyped-def]
        return f"{who} {(await ctx.ask(f'{who}?')).data}"

    client = await Client(streaming).begin()
    async with client.calling("greet", who="a") as one, client.calling("greet", who="b") as two:
        first, second = await asked(client, one), await asked(client, two)
        await client.answer(second, accepted(value="2"))
        assert (await ended(two))["content"] == texts("b 2")
        await client.answer(first, accepted(value="1"))
        assert (await ended(one))["content"] == texts("a 1")


async def test_without_sessions_a_ping_has_nobody_to_answer_it(
    streaming: AsgiDoor, server: MCPServer
) -> None:
    server.sessions = NoSessions()

    @server.tool
    async def knock(ctx: Context) -> None:
        await ctx.ping()

    result = await asyncio.wait_for(Client(streaming).tool("knock"), PATIENCE)

    assert result["isError"] is True
