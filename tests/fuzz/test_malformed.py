"""Malformed requests by the thousand: no answer may be an internal error, or tell of the inside.

Each run makes up 3,000 others, and tries each odd value in each place of each good request beside
that, 16,000 more. `MCP_FUZZ_REQUESTS=10000 pytest tests/fuzz` makes up more of them.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path, re_path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_mcp import MCPServer
from django_mcp.authentication import anonymous
from django_mcp.routing import MCPRouter, mount
from django_mcp.urls import mcp_view
from tests.doors import AsgiDoor, Door, Reply, Request, WsgiDoor

from . import requests, spoiling, values
from .server import build

REQUESTS = int(os.environ.get("MCP_FUZZ_REQUESTS", "3000"))
#: Seconds a single answer may take.
PATIENCE = 20
GOOD = requests.call("say", {"text": "still here"})
SEEDS = requests.seeds()
#: Those that are answered with a question.
ASKING = [
    requests.call("ask", {"what": "w"}),
    requests.request("resources/read", {"uri": "fuzz://ask"}),
    requests.request("prompts/get", {"name": "asking", "arguments": {"about": "A"}}),
]


def fuzz(share: float) -> settings:
    """The settings of a test that sends this share of all requests."""
    return settings(
        max_examples=max(1, round(REQUESTS * share)),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


# ------------------------------------------------------------------------------------------- doors


class Errors(logging.Handler):
    """What was logged as an error: an answer may hide it, the log does not."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(logging.Formatter().format(record))


class Target:
    """A door, the loop it is used in, and the judge of what comes out."""

    def __init__(self, kind: str, runner: asyncio.Runner, errors: Errors) -> None:
        self.kind = kind
        self.door = Door("")
        self.cuts: list[int] = []
        self.looks_after = True
        #: Whether results say of which type they are, as those of the newest revision do.
        self.typed = True
        self._runner = runner
        self._errors = errors

    def send(self, request: Request) -> Reply:
        """Send `request`, judge the answer, and see, unless told not to, that nothing broke."""
        reply = None
        try:
            reply = self._run(request)
            assert not self._errors.records, self._errors.records[0]
            judge(reply, typed=self.typed)
            if self.looks_after:
                self.cuts = []
                self.check()
        except BaseException as error:
            error.add_note(f"{self.door.name} was sent {request}, and answered {reply}")
            raise
        return reply

    def check(self) -> None:
        """See that a good request is still answered."""
        good = Request(headers=requests.headers_of(GOOD), body=written(GOOD))
        assert self._run(good).result["structuredContent"] == "still here"

    def break_off(self, request: Request, pieces: list[bytes]) -> None:
        """Go away after these pieces of a body that has more: nothing is there to be answered."""
        received = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
        sent: list[Any] = []

        async def receive() -> Any:
            return received.pop(0) if received else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        assert isinstance(self.door, AsgiDoor)
        self._errors.records.clear()
        answering = self.door.application(self.door.scope(request), receive, send)
        self._runner.run(asyncio.wait_for(answering, PATIENCE))
        assert not self._errors.records, self._errors.records[0]
        assert not sent
        self.check()

    def post(self, body: bytes, headers: list[tuple[str, str]]) -> Reply:
        return self.send(Request(headers=headers, body=body))

    def answer(self, message: Any) -> Reply:
        """`post`, with headers that fit the message as well as they can."""
        return self.post(written(message), requests.headers_of(message))

    def _run(self, request: Request) -> Reply:
        self._errors.records.clear()
        if self.door.name == "wsgi":
            # What WSGI calls a string: bytes, each as the letter of that number (PEP 3333).
            request = replace(request, path=request.path.encode().decode("latin-1"))
        return self._runner.run(asyncio.wait_for(answer_of(self.door, request), PATIENCE))

    async def in_pieces(self, application: Any, scope: Any, receive: Any, send: Any) -> None:
        """Call `application` with the body of the request cut at `cuts`, as a network may."""
        whole = await receive()
        ends = [*sorted(self.cuts), len(whole["body"])]
        starts = [0, *ends[:-1]]
        pieces = [
            {**whole, "body": whole["body"][start:end], "more_body": end is not ends[-1]}
            for start, end in zip(starts, ends, strict=True)
        ]
        pieces[-1]["more_body"] = False

        async def receive_piece() -> Any:
            return pieces.pop(0) if pieces else await receive()

        await application(scope, receive_piece, send)


async def answer_of(door: Door, request: Request) -> Reply:
    """The whole answer, or what there is of a subscription before the client goes away.

    A stream that is listened to has no end either, and begins at once.
    """
    if not isinstance(door, AsgiDoor):
        return await door.send(request)
    async with door.open(request) as stream:
        while not stream.ended and b"notifications/subscriptions/acknowledged" not in stream.raw:
            await stream._read()
            if request.method == "GET" and stream.raw:
                break
        return Reply(status=stream.status, headers=stream.headers, body=stream.raw)


def written(message: Any) -> bytes:
    return json.dumps(message).encode()


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def consumer(server: MCPServer) -> Any:
    paths = ["mcp", "orgs/<slug:org>/mcp", "years/<int:year>/mcp", "rest/<path:rest>/mcp"]
    return MCPRouter([mount(each, server, authenticate=anonymous) for each in paths], nobody)


def urls(server: MCPServer) -> tuple[Any, ...]:
    view = mcp_view(server, authenticate=anonymous)
    return (
        re_path("^mcp/?$", view),
        path("orgs/<slug:org>/mcp", view),
        path("years/<int:year>/mcp", view),
        path("rest/<path:rest>/mcp", view),
    )


@pytest.fixture(scope="module")
def servers() -> dict[str, MCPServer]:
    return {"bare": build("fuzz"), "wrapped": build("fuzz-wrapped", wrapped=True)}


@pytest.fixture
def target(
    request: pytest.FixtureRequest, servers: dict[str, MCPServer], settings: Any
) -> Iterator[Target]:
    """A way in to a server."""
    way, kind = request.param
    errors = Errors()
    loggers = [logging.getLogger(name) for name in ("django_mcp", "django.request", "asyncio")]
    for logger in loggers:
        logger.addHandler(errors)
    with asyncio.Runner() as runner:
        found = Target(kind, runner, errors)
        found.door = open_door(way, servers[kind], settings, found)
        yield found
    for logger in loggers:
        logger.removeHandler(errors)


def open_door(way: str, server: MCPServer, settings: Any, target: Target) -> Door:
    if way == "consumer":
        return AsgiDoor(way, consumer(server))
    if way == "pieces":
        return AsgiDoor(way, partial(target.in_pieces, consumer(server)))
    settings.ROOT_URLCONF = urls(server)
    return WsgiDoor(way, WSGIHandler()) if way == "wsgi" else AsgiDoor(way, ASGIHandler())


# ------------------------------------------------------------------------------------------- judge

#: What stands only in what is not meant for others.
INSIDE = (b"Traceback", b"site-packages", b".py", b"pydantic", b"Error(", b"0x7f", b"<class")


def judge(reply: Reply, *, typed: bool = True) -> None:
    """What must be true of every answer."""
    assert 200 <= reply.status < 500
    assert not any(word in reply.body for word in INSIDE)
    assert not any(set("\r\n") & set(name + value) for name, value in reply.headers.items())
    if not reply.body:
        assert reply.status in ((202, 400, 404) if typed else (200, 202, 400, 404))
    elif reply.headers["content-type"].startswith("text/html"):
        assert b"<script" not in reply.body
    else:
        for message in reply.messages:
            for each in message if isinstance(message, list) and not typed else [message]:
                judge_message(each, typed)


def judge_message(message: Any, typed: bool = True) -> None:
    assert message["jsonrpc"] == "2.0"
    if "method" in message:
        assert message.keys() == {"jsonrpc", "method", "params"}
        return
    assert type(message.get("id", 1)) in (int, str)
    if "result" in message:
        assert message.keys() == {"jsonrpc", "id", "result"}
        judge_result(message["result"], typed)
        return
    assert message.keys() - {"id"} == {"jsonrpc", "error"}
    error = message["error"]
    assert error.keys() - {"data"} == {"code", "message"}
    assert type(error["code"]) is int
    assert error["code"] != -32603, error
    assert isinstance(error["message"], str)
    assert error["message"]


def judge_result(result: Any, typed: bool) -> None:
    if typed:
        assert result["resultType"] in ("complete", "input_required")
    else:
        assert "resultType" not in result
    if result.get("isError"):
        assert "internal error" not in result["content"][0]["text"]


# ------------------------------------------------------------------------------------------- tests


EVERY_WAY = [(way, kind) for way in ("consumer", "view", "wsgi") for kind in ("bare", "wrapped")]


def aimed(*targets: tuple[str, str]) -> Any:
    """Run the test against each of these: a way in, and a server."""
    return pytest.mark.parametrize("target", targets, indirect=True, ids="-".join)


@aimed(*EVERY_WAY)
def test_the_seeds_are_good(target: Target) -> None:
    for seed in SEEDS:
        reply = target.answer(seed)
        if "id" not in seed:
            assert reply.status == 202
        elif seed["method"] != "subscriptions/listen":
            assert "result" in reply.messages[-1], (seed, reply)
            assert not reply.result.get("isError"), (seed, reply)


@aimed(("consumer", "bare"), ("consumer", "wrapped"))
def test_every_odd_value_in_every_place(target: Target) -> None:
    step = max(2, 2 * 10_000 // REQUESTS)
    begin = 0 if target.kind == "bare" else 1
    target.looks_after = False
    for message in islice(spoiling.every_odd_value(SEEDS), begin, None, step):
        target.answer(message)
    target.check()


@aimed(("consumer", "bare"))
@fuzz(0.15)
@given(body=spoiling.bodies(SEEDS))
def test_bytes(target: Target, body: bytes) -> None:
    target.post(body, requests.headers_of(GOOD))


@aimed(("consumer", "bare"))
@fuzz(0.12)
@given(message=spoiling.envelopes())
def test_envelopes(target: Target, message: Any) -> None:
    target.answer(message)


@aimed(("consumer", "bare"), ("consumer", "wrapped"))
@fuzz(0.12)
@given(message=spoiling.spoiled(SEEDS))
def test_messages(target: Target, message: Any) -> None:
    target.answer(message)


@aimed(("consumer", "bare"), ("consumer", "wrapped"))
@fuzz(0.08)
@given(message=spoiling.shaken(SEEDS))
def test_values(target: Target, message: Any) -> None:
    target.answer(message)


@aimed(("consumer", "bare"), ("consumer", "wrapped"))
@fuzz(0.05)
@given(data=st.data(), asking=st.sampled_from(ASKING))
def test_answers(target: Target, data: st.DataObject, asking: Any) -> None:
    first = target.answer(asking).result
    assert first["resultType"] == "input_required"
    again = copy.deepcopy(asking)
    again["params"]["requestState"] = first["requestState"]
    again["params"]["inputResponses"] = {
        key: requests.ANSWERS[key] for key in first["inputRequests"]
    }
    target.answer(data.draw(spoiling.spoiled([again])))


@aimed(("consumer", "bare"))
@fuzz(0.10)
@given(data=st.data(), message=st.sampled_from(SEEDS))
def test_headers(target: Target, data: st.DataObject, message: Any) -> None:
    target.post(written(message), data.draw(spoiling.headers(message)))


@aimed(("consumer", "bare"))
@fuzz(0.05)
@given(method=spoiling.http_methods, path=spoiling.paths, accept=values.header_values)
def test_paths(target: Target, method: str, path: str, accept: str) -> None:
    headers = [*requests.headers_of(GOOD), ("accept", accept)]
    target.send(Request(method=method, path=path, headers=headers, body=written(GOOD)))


@aimed(("pieces", "bare"))
@fuzz(0.05)
@given(data=st.data(), message=spoiling.spoiled(SEEDS))
def test_pieces(target: Target, data: st.DataObject, message: Any) -> None:
    target.cuts = data.draw(st.lists(st.integers(0, len(written(message))), max_size=6))
    target.answer(message)


@aimed(("consumer", "bare"), ("view", "bare"))
@fuzz(0.01)
@given(data=st.data(), message=spoiling.spoiled(SEEDS))
def test_bodies_that_break_off(target: Target, data: st.DataObject, message: Any) -> None:
    body = written(message)
    pieces = [body[:end] for end in data.draw(st.lists(st.integers(0, len(body)), max_size=3))]
    target.break_off(Request(headers=requests.headers_of(message)), pieces)


@aimed(("consumer", "bare"), ("view", "bare"), ("wsgi", "bare"))
@fuzz(0.04)
@given(data=st.data(), revision=st.sampled_from(list(spoiling.OF_SESSIONS)))
def test_sessions(target: Target, data: st.DataObject, revision: str) -> None:
    target.typed, target.looks_after = False, False
    opening = spoiling.OF_SESSIONS[revision][0]
    opened = target.post(written(opening), requests.headers_of_session(None, revision))
    session = opened.headers["mcp-session-id"]
    for method, headers, message in data.draw(spoiling.conversations(session, revision)):
        target.send(Request(method=method, headers=headers, body=written(message)))
    target.typed = True
    target.check()


@aimed(("view", "bare"), ("wsgi", "bare"))
@fuzz(0.05)
@given(data=st.data())
def test_views(target: Target, data: st.DataObject) -> None:
    how = data.draw(st.sampled_from(["messages", "bytes", "headers", "paths"]))
    message = data.draw(spoiling.spoiled(SEEDS))
    request = Request(headers=requests.headers_of(message), body=written(message))
    if how == "bytes":
        request = replace(request, body=data.draw(spoiling.bodies(SEEDS)))
    elif how == "headers":
        request = replace(request, headers=data.draw(spoiling.headers(message)))
    elif how == "paths":
        path, method = data.draw(spoiling.paths), data.draw(spoiling.http_methods)
        request = replace(request, path=path, method=method)
    target.send(request)
