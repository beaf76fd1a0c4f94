"""requestState: what travels with a question counts for that call alone, and only for a while."""

from __future__ import annotations

import asyncio
import json
import random
import time
import zlib
from dataclasses import replace
from typing import Any

import pytest
from django.core import signing

from django_mcp import Context, MCPServer, questions
from django_mcp.authentication import anonymous
from django_mcp.default import DjangoSealer
from django_mcp.server.request_state import EphemeralSealer
from tests.conversations.talk import (
    Dialogue,
    accepted,
    by_name,
    calling,
    complete,
    completion,
    consumer_of,
    said,
)
from tests.doors import AsgiDoor, Door, Reply, Request

REFUSED = {
    "code": -32602,
    "message": (
        "params.requestState is not valid for this request, or no longer: send the request again "
        "without requestState and inputResponses."
    ),
    "data": {"reason": "invalid_request_state"},
}
YES = {"sure": accepted()}


def build(name: str = "test", sealer: Any = None) -> MCPServer:
    """A server that asks before it does anything."""
    server = MCPServer(name, version="1.0", **({"sealer": sealer} if sealer else {}))

    async def sure(ctx: Context, what: str = "it"):  # type: ignore[no-untyped-def]
        return "Done." if await ctx.confirm("Sure?", key="sure") else "Not done."

    server.add_tool(sure, "delete")
    server.add_tool(sure, "burn")
    server.add_prompt(sure, "delete")
    server.add_tool(lambda: "Nothing to ask.", "quiet")
    return server


@pytest.fixture(params=[DjangoSealer, EphemeralSealer])
def server(request: pytest.FixtureRequest) -> MCPServer:
    """The server under each way of sealing."""
    return build(sealer=request.param())


async def refuses(dialogue: Dialogue) -> None:
    reply = await dialogue.send(YES)
    assert (reply.status, reply.error) == (400, REFUSED)


async def test_a_state_that_comes_back_unchanged_is_accepted(door: Door) -> None:
    dialogue = calling(door, "delete")
    await dialogue.asked()

    assert await dialogue.ended(YES) == said("Done.")


@pytest.mark.parametrize("place", [0, 1, 20, -20, -6])
async def test_a_state_that_was_changed_is_refused(door: Door, place: int) -> None:
    dialogue = calling(door, "delete")
    await dialogue.asked()
    letters = list(dialogue.state or "")
    letters[place] = "A" if letters[place] != "A" else "B"
    dialogue.state = "".join(letters)

    await refuses(dialogue)


@pytest.mark.parametrize(
    "state",
    ["", "x", "ünï", "a:b:c", "e30:1:2", ":::", "A" * 100_000, "\x00", "=" * 8],
)
async def test_a_state_of_the_clients_own_making_is_refused(door: Door, state: str) -> None:
    dialogue = calling(door, "delete")
    dialogue.state = state

    await refuses(dialogue)


async def test_a_state_that_is_too_long_is_not_looked_at(
    door: Door, server: MCPServer, monkeypatch: Any
) -> None:
    def never(*args: Any, **options: Any) -> Any:
        pytest.fail("this was called")

    dialogue = calling(door, "delete")
    # It was sealed here, by somebody who did not look at the size.
    dialogue.state = server.sealer.seal([random.random() for _ in range(20_000)])
    assert len(dialogue.state) > 128 * 1024
    monkeypatch.setattr(signing, "loads", never)
    monkeypatch.setattr(EphemeralSealer, "_mac", never)

    await refuses(dialogue)


async def test_nothing_is_decompressed_before_its_signature_is_known(
    guarded: Any, monkeypatch: Any
) -> None:
    dialogue = calling(guarded(anonymous), "delete")
    signed = signing.dumps("x" * 10_000, salt=DjangoSealer.salt, compress=True)
    assert signed.startswith(".")
    dialogue.state = signed[:-1] + ("A" if signed[-1] != "A" else "B")
    monkeypatch.setattr(zlib, "decompress", lambda data: pytest.fail("this was called"))

    await refuses(dialogue)


@pytest.mark.parametrize("sealed", [None, [], "text", {"c": 1, "q": {}, "a": {}}, {"c": "x"}])
async def test_what_was_sealed_for_another_purpose_is_refused(
    door: Door, server: MCPServer, sealed: Any
) -> None:
    dialogue = calling(door, "delete")
    dialogue.state = server.sealer.seal(sealed)

    await refuses(dialogue)


async def test_what_the_project_signed_for_something_else_is_refused(guarded: Any) -> None:
    dialogue = calling(guarded(anonymous), "delete")
    dialogue.state = signing.dumps({"c": "x", "q": {}, "a": {}}, salt="elsewhere")

    await refuses(dialogue)


@pytest.mark.parametrize("state", [5, {}, [], True])
async def test_a_state_that_is_no_text_is_invalid(door: Door, state: Any) -> None:
    dialogue = calling(door, "delete")
    dialogue.state = state

    assert (await dialogue.refused(YES))["code"] == -32602


async def test_a_state_is_refused_where_nothing_would_be_asked_too(door: Door) -> None:
    dialogue = calling(door, "quiet")
    dialogue.state = "forged"

    await refuses(dialogue)


async def test_a_state_is_good_for_ten_minutes(door: Door, monkeypatch: Any) -> None:
    dialogue = calling(door, "delete")
    await dialogue.asked()
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 598)
    assert await dialogue.ended(YES) == said("Done.")
    monkeypatch.setattr(time, "time", lambda: now + 602)
    await refuses(dialogue)


async def test_how_long_a_state_is_good_for_is_a_setting(settings: Any, monkeypatch: Any) -> None:
    settings.DJANGO_MCP = {"REQUEST_STATE_LIFETIME": 60}
    dialogue = calling(consumer_of(build()), "delete")
    await dialogue.asked()
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 62)
    await refuses(dialogue)


async def test_a_state_is_refused_for_other_arguments(door: Door) -> None:
    dialogue = calling(door, "delete", arguments={"what": "one book"})
    await dialogue.asked()
    dialogue.params["arguments"] = {"what": "every book"}

    await refuses(dialogue)


async def test_the_order_of_arguments_does_not_matter(door: Door, server: MCPServer) -> None:
    @server.tool
    async def copy(ctx: Context, a: int, b: int):  # type: ignore[no-untyped-def]
        return str(await ctx.confirm("Sure?", key="sure"))

    dialogue = calling(door, "copy", arguments={"a": 1, "b": 2})
    await dialogue.asked()
    dialogue.params["arguments"] = {"b": 2, "a": 1}

    assert await dialogue.ended(YES) == said("True")


async def test_a_state_is_refused_by_another_tool(door: Door) -> None:
    dialogue = calling(door, "delete")
    await dialogue.asked()
    dialogue.params["name"] = "burn"

    await refuses(dialogue)


async def test_a_state_is_refused_by_another_method(door: Door) -> None:
    dialogue = calling(door, "delete")
    await dialogue.asked()
    dialogue.method = "prompts/get"

    await refuses(dialogue)


async def test_a_state_is_refused_for_another_resource(door: Door, server: MCPServer) -> None:
    @server.resource("library://{shelf}")
    async def shelf(ctx: Context, shelf: str) -> str:
        return str(await ctx.confirm("Sure?", key="sure"))

    dialogue = Dialogue(door, "resources/read", {"uri": "library://open"})
    await dialogue.asked()
    dialogue.params["uri"] = "library://locked"

    await refuses(dialogue)


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_a_state_is_refused_from_another_caller(guarded: Any, kind: str) -> None:
    dialogue = calling(guarded(by_name, kind), "delete", x_caller="ada")
    await dialogue.asked()

    dialogue.headers["x_caller"] = "bob"
    await refuses(dialogue)
    dialogue.headers["x_caller"] = "ada"
    assert await dialogue.ended(YES) == said("Done.")


async def test_a_state_is_refused_by_another_server_of_the_project() -> None:
    dialogue = calling(consumer_of(build("library")), "delete")
    await dialogue.asked()
    dialogue.door = consumer_of(build("archive"))

    await refuses(dialogue)


class At(AsgiDoor):
    """A way in to the endpoint of one of several branches."""

    def __init__(self, branch: str) -> None:
        super().__init__(branch, consumer_of(build(), "branches/<slug:branch>/mcp").application)

    async def send(self, request: Request) -> Reply:
        return await super().send(replace(request, path=f"/branches/{self.name}/mcp"))


async def test_a_state_is_refused_at_another_url_of_the_same_server() -> None:
    dialogue = calling(At("north"), "delete")
    await dialogue.asked()

    dialogue.door = At("south")
    await refuses(dialogue)
    dialogue.door = At("north")
    assert await dialogue.ended(YES) == said("Done.")


async def test_a_replica_under_the_same_name_accepts_a_state() -> None:
    dialogue = calling(consumer_of(build("test")), "delete")
    await dialogue.asked()
    dialogue.door = consumer_of(build("test"))

    assert await dialogue.ended(YES) == said("Done.")


async def test_a_rotated_key_still_opens_what_it_sealed(settings: Any) -> None:
    dialogue = calling(consumer_of(build()), "delete")
    await dialogue.asked()
    old, settings.SECRET_KEY = (
        settings.SECRET_KEY,
        "the next key, which is as long as the one before",
    )

    await refuses(dialogue)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert await dialogue.ended(YES) == said("Done.")


async def test_a_state_says_nothing_to_those_who_read_it_that_they_do_not_know(
    door: Door, server: MCPServer
) -> None:
    dialogue = calling(door, "delete", arguments={"what": "confidential"})
    await dialogue.asked()

    opened = server.sealer.open(dialogue.state or "")

    assert "confidential" not in str(opened)
    assert set(opened) == {"c", "q", "a", "i"}


def interview(server: MCPServer) -> None:
    """A tool that asks four things one after the other, each in another way."""

    @server.tool
    async def interview(ctx: Context):  # type: ignore[no-untyped-def]
        name = (await ctx.ask("Name?", key="name")).data
        await ctx.ask_url("Sign.", "https://example.com", key="sign")
        sampled = await ctx.sample("Hello", key="said")
        roots = await ctx.list_roots(key="roots")
        await ctx.confirm("Sure?", key="sure")
        return f"{name} {sampled.text} {[root.uri for root in roots]}"


ANSWERS = {
    "name": accepted(value="Ada"),
    "sign": {"action": "accept"},
    "said": completion("Hi"),
    "roots": {"roots": [{"uri": "file:///a", "name": "a"}]},
}


async def test_of_an_answer_only_what_was_asked_for_is_kept(door: Door, server: MCPServer) -> None:
    interview(server)
    junk = "x" * 100_000
    more = {
        "name": {
            "action": "accept",
            "content": {"value": "Ada", "junk": junk},
            "_meta": {"a": junk},
        },
        "sign": {"action": "accept", "content": {"junk": junk}, "junk": junk},
        "said": {**completion("Hi"), "junk": junk},
        "roots": {"roots": [{"uri": "file:///a", "name": "a", "junk": junk}], "junk": junk},
    }
    dialogue = calling(door, "interview")
    await dialogue.asked()
    for key in ANSWERS:
        await dialogue.asked({key: more[key], "junk": {"junk": junk}})

    kept = {**ANSWERS, "sign": {"action": "accept", "content": {}}}
    assert server.sealer.open(dialogue.state or "")["a"] == kept
    assert len(dialogue.state or "") < 2000
    assert await dialogue.ended(YES) == said("Ada Hi ['file:///a']")


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\u0001"])
async def test_no_more_than_64_kib_are_kept_for_the_next_round(
    door: Door, server: MCPServer, letter: str
) -> None:
    interview(server)
    # The written answer, and some 200 bytes for the fingerprints and names.
    written = len(json.dumps(letter)) - 2
    dialogue = calling(door, "interview")
    await dialogue.asked()
    first = dialogue.state

    await dialogue.asked({"name": accepted(value=letter * ((65_536 - 500) // written))})
    assert len(dialogue.state or "") < 128 * 1024
    await dialogue.asked({"sign": {"action": "accept"}})

    dialogue.state = first
    error = await dialogue.refused({"name": accepted(value=letter * (65_536 // written))})
    assert error["code"] == -32602
    assert error["message"].startswith("params.inputResponses: the answers so far take 65,")
    assert error["message"].endswith(
        "no more than 65,536 are kept for the next round: send shorter answers."
    )


async def test_tasks_that_ask_side_by_side_keep_no_more_together(
    door: Door, server: MCPServer
) -> None:
    @server.tool
    async def meet(ctx: Context):  # type: ignore[no-untyped-def]
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                asked = {f"{name}{n}": questions.form("Text?", str) for n in range(2)}
                group.create_task(ctx.ask_all(asked))

    dialogue = calling(door, "meet")
    await dialogue.asked()
    first = dialogue.state
    half = accepted(value="x" * 30_000)

    assert sorted(await dialogue.asked({"a0": half, "b0": half})) == ["a1", "b1"]
    dialogue.state = first
    half = accepted(value="x" * 40_000)
    assert (await dialogue.refused({"a0": half, "b0": half}))["code"] == -32602


async def test_what_is_not_kept_may_be_longer(door: Door, server: MCPServer) -> None:
    @server.tool
    async def length(ctx: Context):  # type: ignore[no-untyped-def]
        return str(len((await ctx.ask("Text?", key="text")).data))

    dialogue = calling(door, "length")
    await dialogue.asked()

    assert await dialogue.ended({"text": accepted(value="x" * 99_999)}) == said("99999")


async def test_a_prompt_accepts_its_own_state(door: Door) -> None:
    dialogue = Dialogue(door, "prompts/get", {"name": "delete"})
    await dialogue.asked()

    assert await dialogue.ended(YES) == complete(
        messages=[{"role": "user", "content": {"type": "text", "text": "Done."}}]
    )
