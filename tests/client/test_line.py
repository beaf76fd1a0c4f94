"""Requests in flight: which answer is whose, how long it may take, and who is told what first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from django_mcp.client import ConnectionLost, RequestTimedOut, ServerError, SessionLost
from django_mcp.client.channels import Outgoing
from django_mcp.client.line import MOST_ANSWERED, Line, Timing
from django_mcp.client.waiting import MOST_BYTES, MOST_WAITING, Backlog
from django_mcp.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    RequestId,
    Response,
)


class Channel:
    """A channel that keeps what is sent, and that a test answers on."""

    leaving_cancels = False
    has_headers = False
    needs_session = False

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.left: list[RequestId] = []
        self.error: Exception | None = None
        self.closed = False

    async def send(self, outgoing: Outgoing) -> None:
        if self.error is not None:
            raise self.error
        self.sent.put_nowait(json.loads(outgoing.body))

    def leave(self, id: RequestId) -> None:
        self.left.append(id)

    def settle(self, headers: Mapping[str, str]) -> None:
        return None

    def listen(self) -> None:
        return None

    async def close(self, *, politely: bool = True) -> None:
        self.closed = True


class Talk:
    """A line on such a channel."""

    def __init__(self, tell: Any = lambda method, params: None) -> None:
        self.line = Line(tell)
        self.channel = self.line.channel = Channel()  # type: ignore[assignment]

    async def ask(self, method: str = "x", **options: Any) -> tuple[asyncio.Future[Any], int]:
        """A request that was sent, and its id."""
        options.setdefault("timing", Timing())
        asked = asyncio.ensure_future(self.line.request(method, {}, **options))
        sent = await self.channel.sent.get()
        assert sent["method"] == method
        return asked, sent["id"]


def says(text: str) -> dict[str, Any]:
    return {"said": text}


async def test_every_answer_reaches_its_own_request_once() -> None:
    talk = Talk()
    first, one = await talk.ask()
    second, two = await talk.ask()
    talk.line.take(Response(two, says("2")))
    talk.line.take(Response(two, says("2 again")))
    talk.line.take(Response(999, says("nobody's")))
    talk.line.take(ErrorResponse(None, {"code": 1, "message": "about nothing"}))
    talk.line.take(ErrorResponse(one, {"code": -32602, "message": "no"}))
    talk.line.fail(one, ConnectionLost("late"))
    assert await second == says("2")
    with pytest.raises(ServerError, match="no"):
        await first
    talk.line.take(Response(one, says("too late")))
    await talk.line.close()


async def test_an_answer_without_an_id_is_of_the_request_whose_stream_it_came_on() -> None:
    talk = Talk()
    asked, id = await talk.ask()
    talk.line.take(ErrorResponse(None, {"code": -32700, "message": "unreadable"}), id)
    with pytest.raises(ServerError, match="unreadable"):
        await asked
    await talk.line.close()


async def test_what_came_before_an_answer_is_told_before_it_and_no_more() -> None:
    told: list[str] = []
    slow, began = asyncio.Event(), asyncio.Event()

    async def tell(method: str, params: Any) -> None:
        if method == "slow":
            began.set()
            await slow.wait()
        told.append(method)

    talk = Talk(tell)
    first, one = await talk.ask()
    second, two = await talk.ask()
    talk.line.take(Notification("before", {}))
    talk.line.take(Response(one, {}))
    talk.line.take(Notification("slow", {}))
    talk.line.take(Response(two, {}))
    await first
    assert told == ["before"]
    await began.wait()
    assert not second.done()
    slow.set()
    await second
    assert told == ["before", "slow"]
    await talk.line.close()


async def test_who_is_told_may_ask_and_wait_for_the_answer() -> None:
    async def tell(method: str, params: Any) -> None:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(talk.line.request("more", {}, timing=Timing()))
        answers.put_nowait(asked.result())

    answers: asyncio.Queue[Any] = asyncio.Queue()
    talk = Talk(tell)
    talk.line.take(Notification("n", {}))
    sent = await talk.channel.sent.get()
    talk.line.take(Response(sent["id"], says("more")))
    assert await answers.get() == says("more")
    await talk.line.close()


async def test_who_is_told_may_close() -> None:
    closed = asyncio.Event()

    async def tell(method: str, params: Any) -> None:
        await talk.line.close()
        closed.set()

    talk = Talk(tell)
    talk.line.take(Notification("n", {}))
    await closed.wait()
    assert talk.channel.closed


async def test_what_is_told_and_fails_is_logged_and_the_rest_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = asyncio.Event()

    def tell(method: str, params: Any) -> None:
        if method == "bad":
            raise ValueError("on purpose")
        told.set()

    talk = Talk(tell)
    talk.line.take(Notification("bad", {}))
    talk.line.take(Notification("good", {}))
    await told.wait()
    assert "on purpose" in caplog.text
    await talk.line.close()


async def test_a_request_that_fails_to_be_sent_says_why() -> None:
    talk = Talk()
    talk.channel.error = ConnectionLost("The way is gone.")
    with pytest.raises(ConnectionLost, match="The way is gone"):
        await talk.line.request("x", {}, timing=Timing())
    await talk.line.close()


async def test_a_line_that_is_lost_fails_all_and_each_with_an_error_of_its_own() -> None:
    talk = Talk()
    asked = [(await talk.ask())[0] for _ in range(3)]
    talk.line.lose(ConnectionLost("The server has ended."))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in errors] == ["The server has ended."] * 3
    assert len({id(error) for error in errors}) == 3
    with pytest.raises(SessionLost, match=r"x was not sent: The server has ended\.") as caught:
        await talk.line.request("x", {}, timing=Timing())
    assert caught.value.was_refused
    await talk.line.close()


async def test_on_a_line_that_is_retired_what_was_begun_goes_on() -> None:
    talk = Talk()
    asked, id = await talk.ask()
    talk.line.retire(SessionLost("The server forgot."))
    assert talk.line.is_waiting
    with pytest.raises(SessionLost, match="was not sent"):
        await talk.line.request("x", {}, timing=Timing())
    ending = asyncio.ensure_future(talk.line.close_when_idle())
    await asyncio.sleep(0)
    assert not talk.channel.closed
    talk.line.take(Response(id, says("still")))
    assert await asked == says("still")
    await ending
    assert talk.channel.closed


async def test_a_request_that_is_cancelled_is_called_off_but_never_the_handshake() -> None:
    talk = Talk()
    for method in ("x", "initialize", "y"):
        asked, id = await talk.ask(method)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert talk.channel.left[-1] == id
        if method != "initialize":
            sent = await talk.channel.sent.get()
            assert (sent["method"], sent["params"]["requestId"]) == ("notifications/cancelled", id)
    assert talk.channel.sent.empty()
    await talk.line.close()


async def test_an_answer_in_time_is_an_answer_although_it_is_told_late() -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(params: Any) -> None:
        began.set()
        await goes_on.wait()

    talk = Talk()
    asked, id = await talk.ask(on_progress=slow, timing=Timing(timeout=60, total=0.05))
    talk.line.take(Notification("notifications/progress", {"progressToken": id, "progress": 1}))
    await began.wait()
    talk.line.take(Response(id, says("in time")))
    assert await asked == says("in time")
    await talk.line.close()


async def test_the_time_that_the_application_takes_is_not_the_servers() -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(params: Any) -> None:
        began.set()
        await goes_on.wait()

    talk = Talk()
    asked, id = await talk.ask(on_progress=slow, timing=Timing(timeout=0.05))
    talk.line.take(Notification("notifications/progress", {"progressToken": id, "progress": 1}))
    await began.wait()
    await asyncio.sleep(0.1)
    assert not asked.done()
    goes_on.set()
    await asyncio.sleep(0)
    talk.line.take(Response(id, says("here")))
    assert await asked == says("here")
    await talk.line.close()


async def test_progress_of_others_gives_no_time() -> None:
    talk = Talk()
    asked, id = await talk.ask(timing=Timing(timeout=0.05))
    for token in (id + 1, "x", None, True, [id]):
        params = {"progressToken": token, "progress": 1}
        talk.line.take(Notification("notifications/progress", params))
    with pytest.raises(RequestTimedOut):
        await asked
    await talk.line.close()


async def test_a_timeout_of_the_application_is_not_taken_for_the_servers() -> None:
    def fail(params: Any) -> None:
        raise TimeoutError("mine")

    talk = Talk()
    asked, id = await talk.ask(on_progress=fail)
    talk.line.take(Notification("notifications/progress", {"progressToken": id, "progress": 1}))
    with pytest.raises(TimeoutError, match="mine"):
        await asked
    await talk.line.close()


async def test_an_application_that_keeps_a_cancellation_to_itself_gets_no_more_time() -> None:
    async def stubborn(params: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    talk = Talk()
    asked, id = await talk.ask(on_progress=stubborn, timing=Timing(timeout=60, total=0.05))
    talk.line.take(Notification("notifications/progress", {"progressToken": id, "progress": 1}))
    with pytest.raises(RequestTimedOut, match=r"not finished within 0\.05 s"):
        await asked
    assert not asked.cancelling()
    await talk.line.close()


# --------------------------------------------------------------------------------------- questions


async def test_questions_are_answered_beside_each_other_and_no_more_than_a_few() -> None:
    goes_on = asyncio.Event()

    async def answer(request: Request) -> dict[str, Any]:
        await goes_on.wait()
        return says(request.method)

    talk = Talk()
    talk.line.answer_request = answer
    for n in range(MOST_ANSWERED + 1):
        talk.line.take(Request(n, "q", {}))
    refused = await talk.channel.sent.get()
    assert (refused["id"], "error" in refused) == (MOST_ANSWERED, True)
    goes_on.set()
    answered = [await talk.channel.sent.get() for _ in range(MOST_ANSWERED)]
    assert {each["id"] for each in answered} == set(range(MOST_ANSWERED))
    await talk.line.close()


async def test_a_question_that_is_taken_back_is_not_answered() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> dict[str, Any]:
        if request.method == "ping":
            return {}
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    talk = Talk()
    talk.line.answer_request = answer
    talk.line.take(Request("a", "q", {}))
    await began.wait()
    for id in ("unknown", None, ["a"], "a"):
        talk.line.take(Notification("notifications/cancelled", {"requestId": id}))
    await ended.wait()
    talk.line.take(Request("b", "ping", {}))
    assert (await talk.channel.sent.get())["id"] == "b"
    assert talk.channel.sent.empty()
    await talk.line.close()


async def test_an_answer_that_fails_says_nothing_of_why(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(request: Request) -> dict[str, Any]:
        raise ValueError("a secret")

    talk = Talk()
    talk.line.answer_request = answer
    talk.line.take(Request(1, "q", {}))
    sent = await talk.channel.sent.get()
    assert sent["error"]["code"] == -32603
    assert "secret" not in str(sent)
    assert "a secret" in caplog.text
    await talk.line.close()


@pytest.mark.parametrize("error", [ConnectionLost("gone"), RuntimeError("unforeseen")])
async def test_an_answer_that_cannot_be_sent_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asyncio.Event()

    async def answer(request: Request) -> dict[str, Any]:
        asked.set()
        return {}

    talk = Talk()
    talk.line.answer_request = answer
    talk.channel.error = error
    talk.line.take(Request(1, "q", {}))
    await asked.wait()
    await asyncio.sleep(0)
    assert "could not be answered" in caplog.text
    await talk.line.close()


async def test_where_nothing_can_be_asked_nothing_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = Talk()
    with caplog.at_level(logging.WARNING, "django_mcp.client"):
        talk.line.take(Request(1, "q", {}))
    assert "which this revision does not have" in caplog.text
    await talk.line.close()
    assert talk.channel.sent.empty()


# ------------------------------------------------------------------------------------------ bounds


def test_what_waits_to_be_told_is_bounded_in_number_and_in_size() -> None:
    backlog: Backlog[int] = Backlog()
    given_up = [old for n in range(MOST_WAITING + 5) for old in backlog.put(n, 0)]
    assert given_up == [0, 1, 2, 3, 4]
    assert len(backlog) == MOST_WAITING
    # One that is larger than all may be is still told.
    assert len(backlog.put(-1, 2 * MOST_BYTES)) == MOST_WAITING
    assert backlog.pop() == -1
    assert backlog.put(-2, MOST_BYTES) == []


async def test_a_request_whose_place_in_the_queue_was_given_up_does_not_wait_for_it() -> None:
    goes_on, began = asyncio.Event(), asyncio.Event()

    async def tell(method: str, params: Any) -> None:
        began.set()
        await goes_on.wait()

    talk = Talk(tell)
    asked, id = await talk.ask()
    talk.line.take(Notification("slow", {}))
    await began.wait()
    talk.line.take(Response(id, says("here")))
    talk.line.take(Notification("large", {}), size=2 * MOST_BYTES)
    assert await asked == says("here")
    goes_on.set()
    await talk.line.close()
