"""Servers that the client starts: what they are given, how they end, and that they always do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import anyio
import pytest

from django_mcp.client import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    RequestTimedOut,
    StdioTransport,
    connecting,
)
from django_mcp.client.transports import process, stdio

STUB = str(Path(__file__).with_name("stub.py"))
STATEFUL = ["2025-06-18"]


def command(mode: str = "") -> list[str]:
    return [sys.executable, "-I", "-S", STUB, *([mode] if mode else [])]


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended, whoever is to be told of its end."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


async def until(is_so: Callable[[], bool]) -> None:
    """Return once something about other processes is so, of which no event tells."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def pid_of(client: Client) -> int:
    return int((await client.call_tool("pid")).text)


# -------------------------------------------------------------------------------------- the process


async def test_a_command_is_a_server() -> None:
    async with Client(command()) as client:
        assert client.revision == "2026-07-28"
        assert (await client.call_tool("echo", {"text": "☺"})).text == "☺"


async def test_a_server_has_of_the_environment_what_is_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.setenv("TERM", "() { :; }; echo run")
    transport = StdioTransport(command(), env={"GIVEN": "1"}, cwd=tmp_path)
    async with Client(transport) as client:
        variables = json.loads((await client.call_tool("environment")).text)
        assert variables["GIVEN"] == "1"
        assert variables["PATH"] == os.environ["PATH"]
        assert set(variables) <= {"GIVEN", "LC_CTYPE", *stdio.INHERITED} - {"TERM"}
        assert (await client.call_tool("directory")).text == str(tmp_path)


@pytest.mark.parametrize("given", [[], "python server.py", ()])
def test_what_is_no_command_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="list of a program and its arguments"):
        StdioTransport(given)


@pytest.mark.parametrize(
    ("given", "options"), [(["/no/such/program"], {}), ([sys.executable], {"cwd": "/no/such"})]
)
async def test_a_program_that_is_not_there_is_told(given: list[str], options: Any) -> None:
    with pytest.raises(ConnectionFailed, match=r"could not be started with .* No such file"):
        async with Client(StdioTransport(given, **options)):
            pass


async def test_why_a_server_does_not_start_is_told() -> None:
    with pytest.raises(ConnectionLost, match=r"ended with status 2; it said:\nThere is no such"):
        async with Client(command("broken")):
            pass


# ----------------------------------------------------------------------------------------- its era


async def test_a_server_that_ends_when_it_is_probed_is_started_again_and_asked_otherwise() -> None:
    async with Client(command("old")) as client:
        assert client.revision == "2025-06-18"
    # That is remembered: the next one is not probed.
    said: list[str] = []
    async with Client(StdioTransport(command("old"), stderr=said.append)) as client:
        assert client.revision == "2025-06-18"
    assert said == []


async def test_a_server_that_does_not_answer_a_probe_is_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "PROBE_TIMEOUT", 0.1)
    async with Client(command("mute")) as client:
        assert client.revision == "2025-06-18"


async def test_a_server_that_is_slow_to_start_is_not_taken_for_an_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "PROBE_TIMEOUT", 0.1)
    async with Client(command("late")) as client:
        assert client.revision == "2026-07-28"
        assert (await client.call_tool("echo", {"text": "here"})).text == "here"


# -------------------------------------------------------------------------------------- the streams


async def test_large_messages_go_both_ways_at_a_time() -> None:
    async with Client(command()) as client:
        text = "x" * 5_000_000
        results = await asyncio.gather(
            *(client.call_tool("echo", {"text": text}) for _ in range(4)),
            *(client.call_tool("large", {"size": 5_000_000}) for _ in range(4)),
        )
        assert [len(result.text) for result in results] == [5_000_000] * 8


async def test_what_a_library_prints_is_skipped_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Client(command()) as client:
        with caplog.at_level(logging.WARNING, "django_mcp.client"):
            assert (await client.call_tool("garbage")).text == "garbage"
    assert caplog.text.count("is no message") == 4


async def test_a_log_line_that_is_none_is_said_to_be_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[Any] = []
    async with Client(command(), on_log=lines.append) as client:
        with caplog.at_level(logging.WARNING, "django_mcp.client"):
            assert (await client.call_tool("log")).text == "log"
    assert lines == []
    assert "A log line was no such thing: params.level" in caplog.text
    assert "Traceback" not in caplog.text
    assert "\x1b" not in caplog.text


async def test_a_line_without_end_ends_the_connection_and_not_the_memory() -> None:
    async with Client(StdioTransport(command(), largest=1_000_000)) as client:
        with pytest.raises(ConnectionLost, match="a line of more than 1000000 bytes"):
            await client.call_tool("endless")
        assert (await client.call_tool("echo", {"text": "again"})).text == "again"


async def test_the_last_line_needs_no_end() -> None:
    async with Client(command()) as client:
        assert (await client.call_tool("unended")).content == []


async def test_a_server_that_does_not_read_holds_a_call_no_longer_than_its_time() -> None:
    async with Client(command()) as client:
        asleep = asyncio.ensure_future(client.call_tool("sleep", timeout=1))
        calls = [client.call_tool("echo", {"text": "x" * 1_000_000}, timeout=0.2) for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {RequestTimedOut}
        with pytest.raises(RequestTimedOut):
            await asleep


# ----------------------------------------------------------------------------------- standard error


async def test_what_a_server_complains_of_can_be_read_while_it_runs() -> None:
    lines: list[str] = []
    file = StringIO()
    async with Client(StdioTransport(command(), stderr=lines.append)) as client:
        # More than a pipe holds.
        await client.call_tool("complain", {"lines": 1000})
        await until(lambda: len(lines) == 1000)
    assert lines[999] == "line 999 " + "x" * 200
    async with Client(StdioTransport(command(), stderr=file)) as client:
        await client.call_tool("complain", {"lines": 2})
        await until(lambda: file.getvalue().count("\n") == 2)


async def test_a_reader_of_standard_error_that_fails_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(line: str) -> None:
        raise ValueError("on purpose")

    async with Client(StdioTransport(command(), stderr=fail)) as client:
        await client.call_tool("complain", {"lines": 1})
        await until(lambda: "on purpose" in caplog.text)
        assert (await client.call_tool("echo", {"text": "alive"})).text == "alive"


# ------------------------------------------------------------------------ ends it has not said


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("die", r"ended with status 7; it said:\nOut of memory, say\."),
        ("fall", "was ended by SIGKILL"),
        ("close", "closed its standard output"),
    ],
)
async def test_a_server_that_ends_fails_its_calls_at_once_and_the_next_one_starts_it(
    how: str, error: str
) -> None:
    async with Client(command()) as client:
        before = await pid_of(client)
        hanging = [asyncio.ensure_future(client.call_tool("hang")) for _ in range(3)]
        with pytest.raises(ConnectionLost, match=error):
            await client.call_tool(how)
        for each in hanging:
            with pytest.raises(ConnectionLost, match=error):
                await each
        after = await asyncio.gather(*(pid_of(client) for _ in range(10)))
        assert len(set(after)) == 1
        assert after[0] != before
        assert not is_running(before)


async def test_the_end_of_a_process_is_noticed_although_its_child_holds_the_output() -> None:
    async with Client(command()) as client:
        pid = await pid_of(client)
        child = int((await client.call_tool("spawn")).text)
        with pytest.raises(ConnectionLost, match="status 7"):
            await client.call_tool("die")
        assert await pid_of(client) != pid
        assert not is_running(child)


async def test_what_a_process_leaves_behind_is_ended() -> None:
    said: list[str] = []
    async with Client(StdioTransport(command(), stderr=said.append)) as client:
        with pytest.raises(ConnectionLost):
            await client.call_tool("spawn_and_die")
        child = int(said[0].split()[1])
        await until(lambda: not is_running(child))


async def test_a_server_that_ends_again_and_again_is_started_later_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    pause = StdioTransport._pause
    monkeypatch.setattr(stdio, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(stdio, "LONGEST_PAUSE", 0.004)
    monkeypatch.setattr(
        StdioTransport, "_pause", lambda self: pauses.append(pause(self)) or pauses[-1]
    )
    async with Client(command()) as client:
        for _ in range(6):
            with pytest.raises(ConnectionLost):
                await client.call_tool("die")
    assert pauses == [0, 0, 0, 0.001, 0.002, 0.004]


# ------------------------------------------------------------------------------- the end of it


async def test_a_server_that_is_left_ends_by_itself_when_its_input_does() -> None:
    async with Client(command()) as client:
        pid = await pid_of(client)
    assert not is_running(pid)


async def test_a_server_that_does_not_want_to_end_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.1)
    async with Client(command("stubborn")) as client:
        pid = await pid_of(client)
        child = int((await client.call_tool("spawn")).text)
        assert is_running(child)
    assert not is_running(pid)
    await until(lambda: not is_running(child))


@pytest.mark.parametrize("way", ["asyncio", "anyio"])
async def test_a_cancelled_client_ends_its_server(way: str) -> None:
    pids: asyncio.Queue[int] = asyncio.Queue()

    async def use() -> None:
        async with Client(command()) as client:
            pids.put_nowait(await pid_of(client))
            await client.call_tool("hang")

    if way == "asyncio":
        task = asyncio.create_task(use())
        pid = await pids.get()
        task.cancel()
        # Again, while it is being closed.
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(use)
            pid = await pids.get()
            group.cancel_scope.cancel()
    assert not is_running(pid)


async def test_a_client_that_is_cancelled_while_it_opens_leaves_no_process() -> None:
    started: asyncio.Queue[int] = asyncio.Queue()
    made = process.Process.connection_made

    class Watched(process.Process):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made(self, transport)
            started.put_nowait(self._group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stdio, "Process", Watched)
        task = asyncio.create_task(Client(command("mute")).__aenter__())
        pid = await started.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not is_running(pid)


async def test_a_cancelled_call_is_called_off_and_the_others_go_on() -> None:
    async with Client(command(), revisions=STATEFUL) as client:
        hanging = asyncio.ensure_future(client.call_tool("hang"))
        assert (await client.call_tool("echo", {"text": "1"})).text == "1"
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert (await client.call_tool("echo", {"text": "2"})).text == "2"


async def test_closing_ends_calls_that_run_and_those_that_wait_to_be_sent() -> None:
    async with Client(command(), timeout=None) as client:
        sleeping = asyncio.ensure_future(client.call_tool("sleep"))
        large = {"text": "x" * 1_000_000}
        waiting = [asyncio.ensure_future(client.call_tool("echo", large)) for _ in range(5)]
        await asyncio.sleep(0)
    results = await asyncio.gather(sleeping, *waiting, return_exceptions=True)
    assert {type(result) for result in results} == {ConnectionLost}


async def test_a_client_may_be_opened_in_one_task_and_closed_in_another() -> None:
    client = Client(command())
    await asyncio.create_task(client.__aenter__())
    pid = await asyncio.create_task(pid_of(client))
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert not is_running(pid)
