"""manage.py mcp_call: call a tool, read a resource or get a prompt from the shell.

Owns what is called and where: a server of this project, in this process, or one at a URL. How words
become arguments, how questions are asked and how answers look is `management.calling`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...client import (
    Client,
    ClientError,
    RequestTimedOut,
    ServerError,
    ToolFailed,
    UnexpectedStatus,
)
from ...client.auth import OAuth, OAuthError
from ...memory import MemoryTransport
from ...protocol import codec, problems
from ...protocol import types as t
from ...protocol.revisions import LATEST, REVISIONS
from ...server.access import LOCAL
from ...transports.http.types import Refused
from ..calling import arguments as typed
from ..calling.printing import (
    contents_lines,
    pretty,
    printable,
    prompt_lines,
    result_lines,
)
from ..calling.questions import Terminal
from ..named import headers_of, is_url, principal_called, server_called

#: Where a token is found that does not belong on a command line.
TOKEN: Final = "MCP_TOKEN"  # noqa: S105, the name of a variable
SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical")


class Command(BaseCommand):
    """Prints what the answer holds; ends with status 1 where there is none, or it is an error."""

    help = (
        "Calls a tool of an MCP server: mcp_call search_books words=whale limit=3. With --resource "
        "or --prompt, reads a resource or gets a prompt. Progress, log lines and questions are on "
        "standard error."
    )
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = partial(_parsed, parser)  # type: ignore[method-assign,assignment]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The tool, or the resource's URI, or the prompt.")
        parser.add_argument(
            "arguments",
            nargs="*",
            default=[],  # Without one, argparse calls it required.
            metavar="name=value",
            help="An argument: text or a number; name:=JSON for anything else.",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--resource", action="store_true", help="Read the resource at a URI.")
        what.add_argument("--prompt", action="store_true", help="Get a prompt.")
        parser.add_argument("--json", metavar="OBJECT", help="All arguments, as a JSON object.")
        parser.add_argument("--raw", action="store_true", help="Print the whole answer as JSON.")
        parser.add_argument("--server", metavar="NAME", help="An MCPServer other than the default.")
        parser.add_argument("--user", metavar="USERNAME", help="The user whose permissions apply.")
        parser.add_argument("--url", help="Call the server at a URL, not one of this project.")
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="NAME:VALUE",
            help=f"A header for --url. A bearer token is taken from {TOKEN} in the environment.",
        )
        parser.add_argument(
            "--oauth",
            action="store_true",
            help="For --url: log in with the browser of this machine, and use the token once.",
        )
        parser.add_argument(
            "--revision",
            choices=[revision.name for revision in REVISIONS],
            help="Speak this revision of the protocol. By default the newest of both sides.",
        )
        parser.add_argument(
            "--timeout", type=float, default=60.0, help="Seconds without progress. Default: 60."
        )
        parser.add_argument(
            "--log-level", choices=LOG_LEVELS, default="info", help="Log lines to show."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["header"] and options["url"] is None:
            raise CommandError("--header is for --url: in this process nobody sends headers.")
        if options["oauth"] and options["url"] is None:
            raise CommandError("--oauth is for --url: in this process --user says who calls.")
        if options["resource"] and (options["arguments"] or options["json"] is not None):
            raise CommandError("--resource takes no arguments: all there is to say is in the URI.")
        if not options["timeout"] > 0:  # Not a number is no more than 0 either.
            raise CommandError(f"--timeout {options['timeout']:g}: give seconds, more than 0.")
        try:
            asyncio.run(self._call(self._target(options), **options))
        except typed.Unreadable as error:
            raise CommandError(printable(str(error))) from None
        except ToolFailed as failed:
            for line in result_lines(failed.result):
                self.stderr.write(line)
            raise CommandError(f"The tool {printable(options['name'])!r} failed.") from None
        except ServerError as error:
            more = "" if error.data is None else f"\n{pretty(error.data)}"
            raise CommandError(printable(f"{error}{more}")) from None
        except RequestTimedOut as error:
            raise CommandError(
                f"{error.method}: no answer within {error.seconds:g} s. Wait longer with --timeout."
            ) from None
        except OAuthError as error:
            raise CommandError(printable(str(error))) from None
        except ClientError as error:
            is_unknown = isinstance(error, UnexpectedStatus) and error.status == 401
            more = f" Here: {TOKEN} in the environment, --header or --oauth." if is_unknown else ""
            raise CommandError(printable(f"{error}{more}")) from None
        except KeyboardInterrupt:
            raise CommandError("Cancelled.", returncode=130) from None

    async def _call(
        self,
        target: Any,
        name: str,
        arguments: list[str],
        json: str | None,
        raw: bool,
        **options: Any,
    ) -> None:
        terminal = Terminal(self._aside, self._read)
        auth = OAuth(target) if options["oauth"] else None
        if auth is not None:
            # Before the first request: a user takes longer than that may.
            await auth.sign_in()
        client = Client(
            target,
            headers=_headers(options["header"]) if options["url"] else None,
            auth=auth,
            revisions=None if options["revision"] is None else [options["revision"]],
            timeout=options["timeout"],
            name="mcp_call",
            log_level=options["log_level"],
            on_elicit=lambda question: _apart(terminal.elicit, question),
            on_sample=lambda question: _apart(terminal.sample, question),
            on_log=self._log,
            on_progress=self._progress,
        )
        async with client, _served(target):
            if options["resource"]:
                answer: Any = await client.read_resource(name)
                lines = contents_lines(answer)
            elif options["prompt"]:
                async with _near(name, client.iter_prompts, "a prompt"):
                    answer = await client.get_prompt(name, typed.texts(arguments, json))
                lines = prompt_lines(answer)
            else:
                schema = await _input_schema(client, name)
                async with _near(name, client.iter_tools, "a tool"):
                    answer = await client.call_tool(name, typed.read(arguments, schema, json))
                lines = result_lines(answer)
        if raw:
            self.stdout.write(pretty(_plain(answer)))
        else:
            for line in lines:
                self.stdout.write(line)

    def _target(self, options: dict[str, Any]) -> Any:
        """What the client is connected to."""
        if options["url"] is not None:
            if options["server"] is not None or options["user"] is not None:
                raise CommandError("--server and --user are of this project: leave out --url.")
            if not is_url(options["url"], SCHEMES):
                # Not repeated: a password may be in it.
                raise CommandError(
                    "--url: give the whole URL of the endpoint, such as https://example.com/mcp."
                )
            return options["url"]
        server = server_called(options["server"])
        if options["user"] is None:
            return MemoryTransport(server, LOCAL)
        try:
            return MemoryTransport(server, principal_called(options["user"]))
        except Refused as refused:
            raise CommandError(refused.message) from None

    # Beside the answer

    def _aside(self, line: str) -> None:
        self.stderr.write(printable(line), lambda text: text)

    def _read(self, prompt: str) -> str:
        self.stderr.write(printable(prompt), lambda text: text, ending="")
        self.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def _log(self, line: t.LoggingMessageNotificationParams) -> None:
        text = line.data if isinstance(line.data, str) else json.dumps(line.data)
        self._aside(f"{line.level}: {text}")

    def _progress(self, step: t.ProgressNotificationParams) -> None:
        total = "" if step.total is None else f"/{_figure(step.total)}"
        self._aside(f"{_figure(step.progress)}{total} {step.message or ''}".rstrip())


def _parsed(
    parser: CommandParser, args: Sequence[str] | None = None, namespace: Namespace | None = None
) -> Namespace:
    """The options, wherever they stand between the words. Behind "--" there are words alone.

    argparse takes arguments for none as soon as an option comes before them, unless it parses
    them intermixed; and then it looks for options behind a "--" that stands before the name.
    """
    given = list(sys.argv[1:] if args is None else args)
    end = given.index("--") + 1 if "--" in given else len(given)
    behind = given[end:]
    # Something that is no option stands for each of them meanwhile.
    found = parser.parse_intermixed_args([*given[:end], *("word" for _ in behind)], namespace)
    words = [found.name, *found.arguments]
    words = [*words[: len(words) - len(behind)], *behind]
    found.name, found.arguments = words[0], words[1:]
    return found


def _figure(number: float) -> str:
    try:
        return f"{number:g}"
    except OverflowError:  # JSON has whole numbers of any size.
        return "…"


async def _apart(function: Callable[..., Any], *args: Any) -> Any:
    """What `function` returns, called in a thread that does not keep the process: one may wait for
    a person who has gone."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(*args)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await outcome


@asynccontextmanager
async def _served(target: Any) -> AsyncIterator[None]:
    """A server of this process ends with the call."""
    try:
        yield
    finally:
        if isinstance(target, MemoryTransport):
            await target.server.shutdown()


@asynccontextmanager
async def _near(
    name: str, listed: Callable[[], AsyncIterator[t.Tool | t.Prompt]], kind: str
) -> AsyncIterator[None]:
    """Where nothing of that name is listed, what comes near it is said beside the error."""
    try:
        yield
    except ServerError as error:
        known = [each.name async for each in listed()]
        if name in known:
            raise
        said = f"{error} {name!r} {problems.unknown(name, known, kind)}"
        raise CommandError(printable(said)) from None


async def _input_schema(client: Client, name: str) -> dict[str, Any]:
    """What the tool takes; nothing is known of a tool that is not listed."""
    async for tool in client.iter_tools():
        if tool.name == name:
            return tool.input_schema
    return {}


def _headers(given: Iterable[str]) -> dict[str, str]:
    token = os.environ.get(TOKEN, "").strip()
    if not token.isascii() or not token.isprintable():
        raise CommandError(
            f"{TOKEN} in the environment is no token: it has to be ASCII, on one line."
        )
    return {**({"authorization": f"Bearer {token}"} if token else {}), **headers_of(given)}


def _plain(answer: Any) -> Any:
    """An answer as the wire has it in the newest revision."""
    if isinstance(answer, list):
        return {"contents": [codec.encode(each, LATEST) for each in answer]}
    if isinstance(answer, t.WireModel):
        return codec.encode(answer, LATEST)
    result = t.CallToolResult(
        content=answer.content,
        structured_content=answer.structured_content,
        is_error=answer.is_error,
        meta=answer.meta,
    )
    return codec.encode(result, LATEST)
