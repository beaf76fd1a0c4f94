"""stdio: whole conversations with a process, in both eras."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from django_mcp.transports import stdio
from tests.conversations.talk import DECLINED, accepted, completion
from tests.lines import INITIALIZED, STATEFUL, calling, cancelling, introduction, request
from tests.pipes import (
    PATIENCE,
    REPOSITORY,
    SITE,
    Piped,
    Stateless,
    command,
    envelope,
    environment,
    piped,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and signals as POSIX has them")

ASKABLE = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
PROTOCOL = "io.modelcontextprotocol/"
STAMP = {f"{PROTOCOL}serverInfo": {"name": "piped", "version": "1.0"}}
ERAS = ("stateful", "stateless")


@asynccontextmanager
async def opened(era: str, directory: Path, *arguments: str, **options: Any) -> AsyncIterator[Any]:
    """A client of an era that may call, and can be asked everything."""
    if era == "stateful":
        async with piped(directory, *arguments, **options) as line:
            await line.initialize(capabilities=ASKABLE)
            yield line
    else:
        async with piped(directory, *arguments, kind=Stateless, **options) as line:
            line.capabilities = ASKABLE
            yield line


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Either era."""
    return str(request.param)


def text_of(answer: Any) -> str:
    text: str = answer["result"]["content"][0]["text"]
    return text


async def ended(line: Piped) -> None:
    """Close the input, and see the process end as it should."""
    line.close()
    assert await line.rest() == []
    assert await line.status() == 0
    assert "Traceback" not in line.log


# ---------------------------------------------------------------------------------- the first word


@pytest.mark.parametrize("version", STATEFUL)
async def test_a_client_that_initializes_has_a_session(version: str, tmp_path: Path) -> None:
    async with piped(tmp_path) as line:
        result = await line.initialize(version)
        assert result["protocolVersion"] == version
        assert result["serverInfo"] == {"name": "piped", "version": "1.0"}
        tools = {tool["name"] for tool in (await line.result("tools/list"))["tools"]}
        assert {"add", "remove"} <= tools
        assert "guarded" not in tools
        assert text_of({"result": await line.tool("add", {"a": 1, "b": 2})}) == "3"
        await ended(line)


async def test_a_client_that_probes_is_answered_statelessly(tmp_path: Path) -> None:
    async with piped(tmp_path, kind=Stateless) as line:
        found = await line.result("server/discover")
        assert found["supportedVersions"][0] == "2026-07-28"
        assert found["resultType"] == "complete"
        listed = await line.result("tools/list")
        assert "add" in {tool["name"] for tool in listed["tools"]}
        assert await line.tool("add", {"a": 1, "b": 2}) == {
            "resultType": "complete",
            "content": [{"type": "text", "text": "3"}],
            "structuredContent": 3,
            "_meta": STAMP,
        }
        await ended(line)


async def test_a_request_with_an_envelope_needs_no_probe(tmp_path: Path) -> None:
    async with piped(tmp_path, kind=Stateless) as line:
        assert (await line.tool("add", {"a": 2, "b": 2}))["structuredContent"] == 4
        await ended(line)


# ---------------------------------------------------------------------------------------- features


async def test_resources_and_prompts(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        read = await line.result("resources/read", {"uri": "memo://a"})
        assert read["contents"][0]["text"] == "remember"
        greeted = await line.result(
            "prompts/get", {"name": "greet", "arguments": {"name": "Zoë ☕"}}
        )
        assert greeted["messages"][0]["content"]["text"] == "Hello, Zoë ☕."
        assert (await line.error("nobody/knows"))["code"] == -32601
        await ended(line)


@pytest.mark.parametrize("tool", ["remove", "remove_in_a_thread"])
async def test_the_user_is_asked_in_a_session(tool: str, tmp_path: Path) -> None:
    async with opened("stateful", tmp_path) as line:
        for answer, outcome in [(accepted(), "removed"), (DECLINED, "kept")]:
            await line.say(calling(tool, {"what": "it"}))
            question = await line.hear()
            assert question["method"] == "elicitation/create"
            assert question["params"]["message"] == "Remove it?"
            assert await line.result("ping") == {}
            await line.say({"jsonrpc": "2.0", "id": question["id"], "result": answer})
            assert text_of(await line.hear()) == outcome
        await ended(line)


@pytest.mark.parametrize("tool", ["remove", "remove_in_a_thread"])
async def test_the_user_is_asked_inside_results(tool: str, tmp_path: Path) -> None:
    async with opened("stateless", tmp_path) as line:
        for answer, outcome in [(accepted(), "removed"), (DECLINED, "kept")]:
            asked = await line.tool(tool, {"what": "it"})
            assert asked["resultType"] == "input_required"
            ((key, question),) = asked["inputRequests"].items()
            assert question["params"]["message"] == "Remove it?"
            again = {
                "name": tool,
                "arguments": {"what": "it"},
                "inputResponses": {key: answer},
                "requestState": asked["requestState"],
            }
            assert text_of({"result": await line.result("tools/call", again)}) == outcome
        await ended(line)


async def test_the_model_and_the_roots_are_asked_for(tmp_path: Path) -> None:
    answers = {
        "sampling/createMessage": completion("in short"),
        "roots/list": {"roots": [{"uri": "file:///home/zoe"}]},
    }
    async with opened("stateful", tmp_path) as line:
        for tool, text in [("summarise", "in short"), ("roots", "file:///home/zoe")]:
            await line.say(calling(tool))
            question = await line.hear()
            answer = answers[question["method"]]
            await line.say({"jsonrpc": "2.0", "id": question["id"], "result": answer})
            assert text in text_of(await line.hear())
        await ended(line)


async def test_progress_and_log_lines_come_before_the_answer(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        meta = {"progressToken": "t"}
        if era == "stateless":
            meta[f"{PROTOCOL}logLevel"] = "info"
        await line.say(calling("work", id="w", **meta))
        heard, answer = await line.until("w")
        assert [message["params"].get("progress") for message in heard] == [1, 2, 3, None]
        assert heard[-1]["params"] == {"level": "info", "data": "nearly done"}
        assert text_of(answer) == "done"
        await ended(line)


async def test_a_cancelled_call_ends_and_nothing_is_said_of_it(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        await line.say(calling("hang", id=1, **{f"{PROTOCOL}logLevel": "info"}))
        assert (await line.hear())["params"]["data"] == "begun"
        await line.say(cancelling(1))
        await line.say(cancelling("made up"))
        await line.say(calling("add", {"a": 1, "b": 1}, id=2))
        answer = await line.hear()
        assert (answer["id"], text_of(answer)) == (2, "2")
        await ended(line)
        assert "cancelled" in line.log


async def test_a_session_hears_of_what_it_follows(tmp_path: Path) -> None:
    async with opened("stateful", tmp_path) as line:
        assert await line.result("resources/subscribe", {"uri": "memo://a"}) == {}
        await line.say(calling("touch"))
        heard = [await line.hear() for _ in range(3)]
        assert {message.get("method") for message in heard} == {
            None,
            "notifications/resources/updated",
            "notifications/tools/list_changed",
        }
        await ended(line)


async def test_a_subscription_is_a_request_that_goes_on(tmp_path: Path) -> None:
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["memo://a"]}
    async with piped(tmp_path, kind=Stateless) as line:
        for id in ("first", "second"):
            await line.say(request("subscriptions/listen", {"notifications": wanted}, id))
            acknowledged = await line.hear()
            assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
            assert acknowledged["params"] == {
                "_meta": {f"{PROTOCOL}subscriptionId": id},
                "notifications": wanted,
            }
        await line.say(cancelling("first"))
        await line.say(calling("touch", id=3))
        heard = [await line.hear() for _ in range(3)]
        told = [message["params"] for message in heard if "method" in message]
        assert {params["_meta"][f"{PROTOCOL}subscriptionId"] for params in told} == {"second"}
        assert {params.get("uri") for params in told} == {None, "memo://a"}
        # At the end of input it is answered, and the cancelled one is not.
        line.close()
        (last,) = await line.rest()
        assert last["id"] == "second"
        assert last["result"]["resultType"] == "complete"
        assert await line.status() == 0


# ------------------------------------------------------------------------- whatever else is written


async def test_garbage_is_refused_and_what_is_between_is_answered(era: str, tmp_path: Path) -> None:
    garbage = [b"nonsense", b'{"jsonrpc":"2.0",', b"\xff\xfe\x00", b"{}", b"[1,", b"7", b"\x00"]
    async with opened(era, tmp_path) as line:

        async def write() -> None:
            for number in range(1_000):
                await line.say(calling("add", {"a": number, "b": 0}, id=number))
                await line.write(b"\n\r\n \t \n" + garbage[number % len(garbage)] + b"\r\n")

        writing = asyncio.ensure_future(write())
        errors, answers = [], {}
        while len(answers) < 1_000 or len(errors) < 1_000:
            message = await line.hear()
            if "error" in message:
                assert "id" not in message
                errors.append(message["error"]["code"])
            else:
                answers[message["id"]] = text_of(message)
        await writing
        assert answers == {number: str(number) for number in range(1_000)}
        assert set(errors) == {-32700, -32600}
        await ended(line)


async def test_a_message_may_have_as_many_bytes_as_a_body(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        for size in (900_000, 1_100_000):
            await line.say(calling("measure", {"text": "x" * size}, id=size))
            answer = await line.hear()
            if size < 1_000_000:
                assert text_of(answer) == str(size)
            else:
                assert "id" not in answer
                assert answer["error"]["code"] == -32600
                assert "1000000 bytes" in answer["error"]["message"]
        assert text_of({"result": await line.tool("measure", {"text": "short"})}) == "5"
        await ended(line)


async def test_a_large_answer_arrives_whole(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        result = await line.tool("large", {"size": 5_000_000})
        assert result["content"][0]["text"] == "x" * 5_000_000
        await ended(line)


async def test_a_slow_reader_loses_nothing(era: str, tmp_path: Path) -> None:
    """What is said is more than pipes hold and a connection keeps, so that the call has to wait."""
    async with opened(era, tmp_path) as line:
        await line.say(calling("chatter", {"count": 20_000}, id="c", progressToken="t"))
        heard, answer = await line.until("c")
        assert [message["params"]["progress"] for message in heard] == list(range(1, 20_001))
        assert text_of(answer) == "20000"
        await ended(line)


# ---------------------------------------------------------------------------------- standard output


async def test_what_is_printed_goes_to_standard_error(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        assert text_of({"result": await line.tool("prints", {"size": 10_000_000})}) == "10000000"
        assert text_of({"result": await line.tool("spawns")}) == "0"
        assert text_of({"result": await line.tool("reads")}) == ""
        await ended(line)
        for words in (
            "printed by the settings",
            "printed while the app is loaded",
            "printed while the server is made",
            "written while the server is made",
            '{"jsonrpc":"2.0","id":1,"result":{}}',
            "written past the name",
            "written to the descriptor",
            "logged to standard output",
            "printed by a child process",
            "printed by a shell",
        ):
            assert words in line.log
        assert line.log.count("x" * 99) == 100_000


async def test_apps_may_print_at_once(tmp_path: Path) -> None:
    """Without a buffer nothing that was printed early can be called back."""
    settings = "tests.conversations.stdio_site.quiet_settings"
    async with piped(tmp_path, settings=settings, PYTHONUNBUFFERED="1") as line:
        await line.initialize()
        await ended(line)
        assert "printed while the app is loaded" in line.log
        assert "written while the server is made" in line.log


# ------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("how", ["close", "ask_to_end"])
async def test_running_calls_get_a_moment(era: str, how: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        level = {f"{PROTOCOL}logLevel": "info"}
        await line.say(calling("hang", id=1, **level))
        await line.say(calling("dawdle", {"seconds": 0.2}, id=2, **level))
        assert [(await line.hear())["params"]["data"] for _ in range(2)] == ["begun", "begun"]
        getattr(line, how)()
        (last,) = await line.rest()
        assert (last["id"], text_of(last)) == (2, "done")
        assert await line.status() == 0
        assert "cancelled" in line.log
        assert "Traceback" not in line.log


@pytest.mark.parametrize("how", ["close", "ask_to_end"])
@pytest.mark.parametrize("tool", ["stuck", "lingers"])
async def test_a_thread_that_never_ends_does_not_keep_the_process(
    era: str, how: str, tool: str, tmp_path: Path
) -> None:
    async with opened(era, tmp_path) as line:
        await line.say(calling(tool, id=1, **{f"{PROTOCOL}logLevel": "info"}))
        assert (await line.hear())["params"]["data"] == "begun"
        getattr(line, how)()
        assert await line.rest() == []
        assert await line.status() == 0


@pytest.mark.parametrize("how", ["input", "signal"])
def test_a_client_that_reads_nothing_does_not_keep_the_process(how: str) -> None:
    call = calling("chatter", {"count": 1_000_000}, id="c", progressToken="t")
    with subprocess.Popen(
        command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=environment(),
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(written(introduction(), INITIALIZED, call) + b"\n")
        process.stdout.read(1)
        if how == "input":
            process.stdin.close()
        else:
            process.terminate()
        assert process.wait(PATIENCE) == 0


async def test_a_client_that_closes_its_end_ends_the_process(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        await line.say(calling("chatter", {"count": 1_000_000}, id="c", progressToken="t"))
        await line.hear()
        line.process._transport.get_pipe_transport(1).close()
        assert await line.status() == 0
        assert "Traceback" not in line.log


async def test_an_end_before_anything_was_said(tmp_path: Path) -> None:
    for how in ("close", "ask_to_end"):
        async with piped(tmp_path) as line:
            await line.say(request("ping"))
            assert (await line.hear())["result"] == {}
            getattr(line, how)()
            assert await line.rest() == []
            assert await line.status() == 0


def run(stdin: Any, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A process that is given all of its input at once."""
    return subprocess.run(
        command(*arguments),
        input=stdin if isinstance(stdin, bytes) else None,
        stdin=None if isinstance(stdin, bytes) else stdin,
        capture_output=True,
        cwd=REPOSITORY,
        env=environment(SITE, **variables),
        timeout=PATIENCE,
        check=False,
    )


def written(*messages: Any) -> bytes:
    return b"\n".join(json.dumps(message).encode() for message in messages)


WHOLE = written(introduction(), INITIALIZED, calling("add", {"a": 1, "b": 2}, id=1))


def test_input_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(WHOLE)  # Without an end to its last line.
    with path.open("rb") as file:
        ran = run(file)
    assert ran.returncode == 0, ran.stderr
    first, second = (json.loads(line) for line in ran.stdout.splitlines())
    assert first["result"]["protocolVersion"] == "2025-11-25"
    assert text_of(second) == "3"


def test_output_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "output"
    with path.open("wb") as file:
        subprocess.run(
            command(),
            input=WHOLE,
            stdout=file,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env=environment(),
            timeout=PATIENCE,
            check=True,
        )
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [0, 1]


def test_input_may_be_nothing_or_closed() -> None:
    for stdin in ("</dev/null", "<&-"):
        ran = subprocess.run(
            ["/bin/sh", "-c", f"exec {' '.join(command())} {stdin}"],
            capture_output=True,
            cwd=REPOSITORY,
            env=environment(),
            timeout=PATIENCE,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, b""), ran.stderr


# ------------------------------------------------------------------------------ servers, users, log


async def test_another_server_is_named(tmp_path: Path) -> None:
    async with piped(tmp_path, "--server", "other") as line:
        assert (await line.initialize())["serverInfo"] == {"name": "other", "version": "2.0"}
        assert [tool["name"] for tool in (await line.result("tools/list"))["tools"]] == [
            "only_here"
        ]
        await ended(line)


async def test_without_a_user_the_caller_is_a_local_one(era: str, tmp_path: Path) -> None:
    async with opened(era, tmp_path) as line:
        assert text_of({"result": await line.tool("who")}) == "local None"
        assert (await line.error("tools/call", {"name": "guarded"}))["code"] == -32602
        await ended(line)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with users: ada may change users, bob may not, and eve is not active."""
    path = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
    script = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from django.contrib.auth.models import Permission, User\n"
        "ada, bob = (User.objects.create_user(name) for name in ('ada', 'bob'))\n"
        "ada.user_permissions.add(Permission.objects.get(codename='change_user'))\n"
        "User.objects.create_user('eve', is_active=False)\n"
        "User.objects.create_user('kim')\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=environment(DATABASE_PATH=path),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return path


async def test_the_permissions_of_a_user_apply(era: str, database: str, tmp_path: Path) -> None:
    ada = {"DATABASE_PATH": database, "MCP_USER": "ada"}
    async with opened(era, tmp_path, **ada) as line:
        assert text_of({"result": await line.tool("who")}) == "user:1 ada"
        assert text_of({"result": await line.tool("guarded")}) == "let in"
        await ended(line)
    async with opened(era, tmp_path, "--user", "bob", **ada) as line:
        assert text_of({"result": await line.tool("who")}) == "user:2 bob"
        assert (await line.error("tools/call", {"name": "guarded"}))["code"] == -32602
        await ended(line)


def activate(database: str, user: str, active: bool) -> None:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection, connection:
        statement = "UPDATE auth_user SET is_active = ? WHERE username = ?"
        assert connection.execute(statement, (active, user)).rowcount == 1


async def test_a_user_who_is_active_no_longer_is_left_and_that_is_said(
    era: str, database: str, tmp_path: Path
) -> None:
    activate(database, "kim", True)
    often = {"DATABASE_PATH": database, "REAUTHENTICATE_EVERY": "0.05"}
    async with opened(era, tmp_path, "--user", "kim", **often) as line:
        assert text_of({"result": await line.tool("who")}).endswith(" kim")
        activate(database, "kim", False)
        # The input is open still.
        assert await line.rest() == []
        assert await line.status() == 1
        assert line.log.splitlines()[-1] == (
            "CommandError: The connection has ended. The user 'kim' is not active."
        )
        assert "Traceback" not in line.log


def test_a_database_without_users_is_said_on_standard_error(tmp_path: Path) -> None:
    ran = run(WHOLE, "--user", "ada", DATABASE_PATH=str(tmp_path / "empty.sqlite3"))
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.decode().splitlines()[-1] == (
        "CommandError: The user 'ada' cannot be looked up: no such table: auth_user. Is it the "
        "right database, and has manage.py migrate been run?"
    )
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody"], "There is no user 'nobody'"),
        (["--user", "eve"], "The user 'eve' is not active"),
        (["--server", "nothing"], "There is no MCP server 'nothing'; there is 'other', 'piped'."),
    ],
)
def test_what_cannot_be_served_is_said_on_standard_error(
    arguments: list[str], words: str, database: str
) -> None:
    ran = run(WHOLE, *arguments, DATABASE_PATH=database)
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert words in ran.stderr.decode()
    assert b"Traceback" not in ran.stderr


def test_what_is_logged_may_be_said() -> None:
    quiet, loud = run(WHOLE), run(WHOLE, "--log-level", "INFO")
    assert b"tools/call add ok" not in quiet.stderr
    assert b"INFO django_mcp.calls: tools/call add ok" in loud.stderr
    assert quiet.stdout == loud.stdout


def test_help_is_printed_where_it_is_expected() -> None:
    ran = run(b"", "--help")
    assert ran.returncode == 0
    assert b"--log-level" in ran.stdout


# ----------------------------------------------------------------------------------- the wrong era


async def test_a_session_takes_no_requests_with_an_envelope(tmp_path: Path) -> None:
    async with opened("stateful", tmp_path) as line:
        error = await line.error("tools/list", {"_meta": envelope()})
        assert error["code"] == -32600
        assert await line.result("ping") == {}


async def test_without_a_session_none_can_be_begun(tmp_path: Path) -> None:
    async with piped(tmp_path) as line:
        await line.result("server/discover", {"_meta": envelope()})
        await line.say(introduction())
        error = (await line.hear())["error"]
        assert error["code"] == -32602
        assert "2026-07-28" in error["message"]
        assert (await line.error("tools/list"))["code"] == -32602


def test_a_host_waits_longer_than_the_end_takes() -> None:
    """The official clients send SIGTERM two seconds after they have closed the input."""
    assert stdio.GRACE + 2 * stdio.LAST_WORDS < 2
