"""What a server asks the official client: forms, URLs, the model, the roots, in rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.shared.exceptions import UrlElicitationRequiredError

from .conftest import LEGACY, MODERN
from .servers import Servers, Site, Wire
from .site.asking import PAYMENT

Connect: TypeAlias = Callable[..., Client]


class Person:
    """Who sits at the client: answers what it is asked, and remembers the questions."""

    def __init__(self, *answers: dict[str, Any] | str) -> None:
        self._answers = list(answers)
        self.asked: list[Any] = []

    async def answer(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params)
        answer = self._answers.pop(0)
        if isinstance(answer, str):
            return types.ElicitResult(action=answer)
        return types.ElicitResult(action="accept", content=answer)


async def model(context: Any, params: types.CreateMessageRequestParams) -> Any:
    text = params.messages[0].content.text
    said = f"{params.system_prompt} {params.max_tokens} {params.temperature}: {text}"
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text=said), model="m-1 ☕"
    )


async def roots(context: Any) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri="file:///home/%E2%98%95", name="☕")])


async def call(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    if client.protocol_version == MODERN:
        return result.structured_content
    return result.structured_content.get("result", result.structured_content)


READER: dict[str, Any] = {
    "name": "Zoë",
    "age": 41,
    "height": 1.7,
    "member": True,
    "shelf": "bottom",
    "likes": ["novel", "essay"],
}


async def test_a_form_is_filled_in(connect: Connect) -> None:
    person = Person(READER)
    async with connect(elicitation_callback=person.answer) as client:
        result = await call(client, "register")

    assert result == {"action": "accept", "data": READER}
    (question,) = person.asked
    assert (question.mode, question.message) == ("form", "Who are you? ☺")
    properties = question.requested_schema["properties"]
    assert list(properties) == list(READER)
    assert properties["age"]["default"] == 30
    assert question.requested_schema["required"] == ["name"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_form_is_turned_down(site: Site, action: str) -> None:
    async with site.client(elicitation_callback=Person(action).answer) as client:
        assert await call(client, "register") == {"action": action, "data": None}


async def test_a_form_that_does_not_fit_is_an_error(site: Site) -> None:
    person = Person({**READER, "age": -1})
    async with site.client(elicitation_callback=person.answer) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("register")

    assert caught.value.code == types.INVALID_PARAMS
    assert "age" in caught.value.message


async def test_a_sync_function_asks(site: Site) -> None:
    person = Person({"name": "Zoë"})
    async with site.client(elicitation_callback=person.answer) as client:
        assert await call(client, "register_in_a_thread") == "Zoë"


@pytest.mark.parametrize(("answer", "agreed"), [({}, True), ("decline", False)])
async def test_a_person_agrees_or_not(site: Site, answer: Any, agreed: bool) -> None:
    person = Person(answer)
    async with site.client(elicitation_callback=person.answer) as client:
        assert await call(client, "agree", what="Really?") is agreed

    assert [question.message for question in person.asked] == ["Really?"]


async def test_a_person_is_sent_to_a_url(connect: Connect) -> None:
    person = Person("accept")
    async with connect(elicitation_callback=person.answer) as client:
        assert await call(client, "pay", amount=7) == "accept"

    (question,) = person.asked
    assert (question.mode, question.url) == ("url", "https://pay.example.com/?amount=7")


async def test_the_model_is_asked(connect: Connect) -> None:
    async with connect(sampling_callback=model) as client:
        said = await call(client, "summarize", text="☕")

    assert said == "Be brief 20 0.5: Sum up: ☕"


async def test_the_roots_are_asked_for(connect: Connect) -> None:
    async with connect(list_roots_callback=roots) as client:
        assert await call(client, "look_around") == ["file:///home/%E2%98%95 ☕"]


def able(person: Person) -> dict[str, Any]:
    return {
        "elicitation_callback": person.answer,
        "sampling_callback": model,
        "list_roots_callback": roots,
    }


class Five(Person):
    """Answers every form with a five, and agrees to every URL, in whatever order they come."""

    async def answer(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params)
        fields = params.requested_schema["properties"] if params.mode == "form" else None
        content = None if fields is None else dict.fromkeys(fields, 5)
        return types.ElicitResult(action="accept", content=content)


async def test_everything_is_asked_at_once(connect: Connect) -> None:
    async with connect(**able(Five())) as client:
        assert await call(client, "ask_everything") == {
            "form": 5,
            "url": "accept",
            "model": "m-1 ☕",
            "roots": ["file:///home/%E2%98%95"],
        }


async def test_two_tasks_of_a_call_ask_at_once(site: Site) -> None:
    person = Five()
    async with site.client(**able(person)) as client:
        assert await call(client, "ask_together") == [5, 5]

    assert sorted(question.message for question in person.asked) == ["Number a?", "Number b?"]


async def test_one_question_follows_another(connect: Connect) -> None:
    person = Five()
    async with connect(**able(person)) as client:
        assert await call(client, "interview", rounds=4) == [5, 5, 5, 5]

    assert [question.message for question in person.asked] == [
        "After []?",
        "After [5]?",
        "After [5, 5]?",
        "After [5, 5, 5]?",
    ]


async def test_a_prompt_asks(connect: Connect) -> None:
    async with connect(elicitation_callback=name_zoe) as client:
        result = await client.get_prompt("personal")

    assert [message.content.text for message in result.messages] == ["Write to Zoë."]


async def name_zoe(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    content = dict.fromkeys(params.requested_schema["properties"], "Zoë")
    return types.ElicitResult(action="accept", content=content)


async def test_a_resource_asks(connect: Connect) -> None:
    async with connect(elicitation_callback=Person({}).answer) as client:
        result = await client.read_resource("memo://private")

    assert [content.text for content in result.contents] == ["here it is"]


async def test_who_cannot_be_asked_is_told_what_is_missing(site: Site) -> None:
    async with site.client() as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("register")

    assert caught.value.code == -32021
    assert caught.value.data == {"requiredCapabilities": {"elicitation": {"form": {}}}}


async def test_a_tool_may_go_on_without_an_answer(site: Site) -> None:
    async with site.client() as client:
        assert await call(client, "ask_if_possible") == "lacking elicitation"


async def test_answers_are_of_no_use_for_another_call(site: Site) -> None:
    async with site.client(elicitation_callback=Person().answer) as client:
        first = await client.session.call_tool(
            "agree", {"what": "Give 1?"}, allow_input_required=True
        )
        assert isinstance(first, types.InputRequiredResult)
        (key,) = first.input_requests or {}
        with pytest.raises(MCPError) as caught:
            await client.call_tool(
                "agree",
                {"what": "Give 1000?"},
                request_state=first.request_state,
                input_responses={key: types.ElicitResult(action="accept", content={})},
            )

    assert caught.value.code == types.INVALID_PARAMS
    assert caught.value.data == {"reason": "invalid_request_state"}


# What only a session has


async def test_a_call_is_refused_until_the_user_has_been_elsewhere(stateful: Site) -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    wire = Wire()
    person = Person("accept")
    options: dict[str, Any] = {"message_handler": told.put, "elicitation_callback": person.answer}
    async with (
        stateful.client(mode=LEGACY, wire=wire, **options) as client,
        stateful.client() as place,
    ):
        await wire.until_opened()
        with pytest.raises(MCPError) as caught:
            await client.call_tool("pay_first")
        await place.call_tool("paid")
        done = await told.get()

    (required,) = UrlElicitationRequiredError.from_error(caught.value.error).elicitations
    assert (required.mode, required.message, required.url) == ("url", "Pay first, please", PAYMENT)
    assert done.method == "notifications/elicitation/complete"
    assert done.params.elicitation_id == required.elicitation_id
    assert person.asked == []


async def test_a_client_that_answers_with_an_error_is_quoted(stateful: Site) -> None:
    async def answer(context: Any, params: Any) -> types.ErrorData:
        return types.ErrorData(code=types.INVALID_REQUEST, message="Not today")

    async with stateful.client(mode=LEGACY, elicitation_callback=answer) as client:
        result = await client.call_tool("register")

    assert result.is_error
    assert result.content[0].text.endswith("with an error: Not today")


async def test_a_client_that_cancels_is_asked_no_longer(stateful: Site) -> None:
    asked, let_go = asyncio.Event(), asyncio.Event()

    async def answer(context: Any, params: Any) -> types.ElicitResult:
        asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            let_go.set()
        raise AssertionError

    async with stateful.client(mode=LEGACY, elicitation_callback=answer) as client:
        call = asyncio.ensure_future(client.call_tool("agree", {"what": "Really?"}))
        await asked.wait()
        call.cancel()
        await let_go.wait()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


async def test_a_session_without_streams_is_asked_nothing(servers: Servers) -> None:
    person = Person(READER)
    wsgi = servers.get("wsgi")
    async with wsgi.client(mode=LEGACY, elicitation_callback=person.answer) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("register")

    assert caught.value.code == -32021
    assert caught.value.message.startswith("The client cannot be asked over this connection")
    assert person.asked == []
