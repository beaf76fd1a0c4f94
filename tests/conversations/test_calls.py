"""What is recorded of a call: a line in the log, and the signal `call_finished`."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from django_mcp import Context, MCPServer, ToolError
from django_mcp.protocol.headers import encode_value
from django_mcp.server.calls import CallRecord
from django_mcp.signals import call_finished
from tests.conversations.talk import ASKABLE, by_name, said
from tests.doors import META, Door, envelope


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, with calls in it."""
    caplog.set_level(logging.INFO, "django_mcp.calls")
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The lines of the log of calls."""
    return [each for each in log.records if each.name == "django_mcp.calls"]


def without_chance(record: CallRecord) -> CallRecord:
    """A record without what is different each time."""
    assert record.seconds >= 0
    assert re.fullmatch("[0-9a-f]{32}", record.correlation)
    assert record.received > 0
    assert (record.sent > 0) is (record.outcome != "cancelled")
    return replace(record, seconds=0, received=0, sent=0, correlation="")


@pytest.fixture
def records() -> Iterator[list[CallRecord]]:
    """What the signal brings, with no time in it."""
    found: list[CallRecord] = []

    def receive(sender: str, record: CallRecord, **kwargs: Any) -> None:
        assert sender == record.server
        found.append(without_chance(record))

    call_finished.connect(receive)
    yield found
    call_finished.disconnect(receive)


@pytest.fixture(autouse=True)
def _fill(server: MCPServer) -> None:
    @server.tool
    async def greet(name: str = "you"):  # type: ignore[no-untyped-def]
        return f"Hello, {name}"

    @server.tool
    async def lend() -> None:
        raise ToolError("Not today.")

    @server.tool
    async def crash() -> None:
        raise ValueError("secret")

    @server.tool
    async def ask(ctx: Context) -> None:
        await ctx.confirm("Sure?")


def record(**changed: Any) -> CallRecord:
    fields: dict[str, Any] = {
        "server": "test",
        "method": "tools/call",
        "target": "greet",
        "principal": "anonymous",
        "client": "test",
        "client_version": "1",
        "client_id": "",
        "session": "",
        "revision": "2026-07-28",
        "request_id": 1,
        "outcome": "ok",
        "code": None,
        "seconds": 0,
        "received": 0,
        "sent": 0,
        "correlation": "",
    }
    return CallRecord(**{**fields, **changed})


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("tools/call", {"name": "greet"}, {}),
        ("tools/call", {"name": "lend"}, {"target": "lend", "outcome": "tool_error"}),
        ("tools/call", {"name": "crash"}, {"target": "crash", "outcome": "internal_error"}),
        ("tools/call", {"name": "ask"}, {"target": "ask", "outcome": "input_required"}),
        (
            "tools/call",
            {"name": "nope"},
            {"target": "nope", "outcome": "error", "code": -32602},
        ),
        ("tools/list", {}, {"method": "tools/list", "target": ""}),
        ("server/discover", {}, {"method": "server/discover", "target": ""}),
        (
            "resources/read",
            {"uri": "x://y"},
            {"method": "resources/read", "target": "x://y", "outcome": "error", "code": -32602},
        ),
        ("nope", {}, {"method": "nope", "target": "", "outcome": "error", "code": -32601}),
    ],
)
async def test_every_call_is_recorded(
    door: Door,
    log: pytest.LogCaptureFixture,
    records: list[CallRecord],
    method: str,
    params: Any,
    expected: Any,
) -> None:
    await door.call(method, params, capabilities=ASKABLE)

    wanted = record(**expected)
    assert records == [wanted]
    (line,) = lines(log)
    assert line.levelno == logging.INFO
    fields = {f"mcp_{key}": value for key, value in asdict(wanted).items()}
    chance = {"mcp_seconds", "mcp_received", "mcp_sent", "mcp_correlation"}
    assert {key: vars(line)[key] for key in fields.keys() - chance} == {
        key: value for key, value in fields.items() if key not in chance
    }
    assert chance <= vars(line).keys()
    begin = f"{wanted.method} {wanted.target or '-'} {wanted.outcome} in "
    assert line.getMessage().startswith(begin)


async def test_a_call_whose_client_went_away_is_recorded_as_cancelled(
    streaming: Any, server: MCPServer
) -> None:
    @server.tool
    async def wait(ctx: Context) -> None:
        await ctx.report_progress(1)
        await asyncio.Event().wait()

    reported: asyncio.Future[CallRecord] = asyncio.get_running_loop().create_future()

    async def receive(record: CallRecord, **kwargs: Any) -> None:
        reported.set_result(without_chance(record))

    # The view's call ends in a task of its own, which nobody who has gone waits for.
    call_finished.connect(receive)
    message = envelope("tools/call", {"name": "wait"}, meta={"progressToken": 1})
    async with streaming.opened(message) as stream:
        await stream.message()
        await stream.disconnect()
        found = await reported
    call_finished.disconnect(receive)

    assert found == record(target="wait", outcome="cancelled")


async def test_the_caller_the_client_and_the_id_are_recorded(
    guarded: Any, records: list[CallRecord]
) -> None:
    message = envelope("tools/call", {"name": "greet"}, id="r-1")
    await guarded(by_name).post(message, x_caller="ada")

    assert records == [record(principal="name:ada", request_id="r-1")]


async def test_a_request_that_is_no_call_is_not_recorded(
    door: Door, records: list[CallRecord]
) -> None:
    await door.post(b"{", mcp_method="tools/call")
    await door.post(envelope("tools/call", {"name": "greet"}), mcp_method="tools/list")
    await door.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}})

    assert records == []


async def test_arguments_and_results_are_not_in_the_log(
    door: Door, log: pytest.LogCaptureFixture
) -> None:
    assert await door.tool("greet", {"name": "confidential"}) == said("Hello, confidential")
    await door.tool("greet", {"nmae": "confidential"})

    assert len(lines(log)) == 2
    assert all("confidential" not in str(vars(line)) for line in log.records)


@pytest.mark.parametrize("target", ["x\ntools/call pay ok in 1.0 ms", "x\r\x1b[2J", "\u2028x"])
async def test_a_name_from_outside_cannot_forge_a_line(
    door: Door, log: pytest.LogCaptureFixture, target: str
) -> None:
    encoded = "=?base64?" + base64.b64encode(target.encode()).decode() + "?="
    await door.post(envelope("tools/call", {"name": target}), mcp_name=encoded)

    (line,) = lines(log)
    assert line.getMessage().isprintable()
    assert [
        each for each in vars(line).values() if isinstance(each, str) and not each.isprintable()
    ] == []
    assert all(message.isprintable() for message in log.messages)


@pytest.mark.parametrize("letter", ["x", "ü"])
async def test_long_names_make_no_long_line(
    door: Door, log: pytest.LogCaptureFixture, letter: str
) -> None:
    message = envelope("tools/call", {"name": letter * 5000}, id=letter * 1024)
    message["params"]["_meta"][META + "clientInfo"] = {"name": letter * 5000, "version": "1"}
    await door.post(message, mcp_name=encode_value(letter * 5000))

    (line,) = lines(log)
    cut = letter.encode("unicode_escape").decode() * 200
    assert len(line.getMessage()) < len(cut) + 100
    fields = {key: value for key, value in vars(line).items() if key.startswith("mcp_")}
    assert fields["mcp_target"] == fields["mcp_request_id"] == fields["mcp_client"] == cut


async def test_a_record_has_long_names_in_part(door: Door, records: list[CallRecord]) -> None:
    await door.call("tools/call", {"name": "x" * 5000})

    assert records == [record(target="x" * 1024, outcome="error", code=-32602)]


async def test_nothing_is_written_where_nobody_reads(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "django_mcp.calls")

    await door.tool("greet")

    assert caplog.records == []


async def test_a_receiver_that_fails_harms_neither_the_call_nor_other_receivers(
    door: Door, records: list[CallRecord], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**kwargs: Any) -> None:
        raise ValueError("broken receiver")

    call_finished.connect(fail)
    try:
        assert await door.tool("greet") == said("Hello, you")
    finally:
        call_finished.disconnect(fail)

    assert records == [record()]
    assert "broken receiver" in caplog.text


async def test_receivers_may_choose_their_server(door: Door) -> None:
    heard: list[str] = []

    def mine(record: CallRecord, **kwargs: Any) -> None:
        heard.append("mine")

    def others(record: CallRecord, **kwargs: Any) -> None:
        heard.append("other's")

    call_finished.connect(mine, sender="test")
    call_finished.connect(others, sender="other")
    try:
        await door.tool("greet")
    finally:
        call_finished.disconnect(mine, sender="test")
        call_finished.disconnect(others, sender="other")

    assert heard == ["mine"]
