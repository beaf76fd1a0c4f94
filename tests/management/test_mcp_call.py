"""`manage.py mcp_call`, as it is typed: what goes in, what is printed where, and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from itertools import count
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import ManagementUtility, call_command
from django.core.management.base import CommandError
from pydantic import BaseModel, Field

from django_mcp import Context, Image, MCPServer, ToolError
from django_mcp.management.calling import arguments as typed
from django_mcp.management.commands.mcp_call import Command
from django_mcp.protocol import types as t
from django_mcp.server.access import LOCAL
from django_mcp.testing import LiveServer

_numbers = count(1)


class Copies(BaseModel):
    copies: int = Field(1, title="How many", description="Not too many.")
    color: str = Field(json_schema_extra={"enum": ["red", "blue"]})
    gift: bool = False


class Weight(BaseModel):
    kilos: float


@pytest.fixture
def shop() -> MCPServer:
    # The server of another test may be there still, and is not the one that is named.
    server = MCPServer(f"shop {next(_numbers)}", version="1")

    @server.tool
    def echo(text: str, number: float = 0, items: list[int] | None = None) -> dict[str, Any]:
        """Say it again."""
        return {"text": text, "number": number, "items": items}

    @server.tool(structured_output=False)
    def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    @server.tool
    async def order(ctx: Context) -> str:
        """Order."""
        await ctx.report_progress(1, 2, "half of it")
        await ctx.warning("almost")
        answer = await ctx.ask("What may it be?", Copies)
        return f"{answer.action} {answer.data!r}"

    @server.tool
    async def delete(ctx: Context) -> bool:
        """Delete."""
        return await ctx.confirm("Delete it?")

    @server.tool
    def fail() -> str:
        """Fail."""
        raise ToolError("It is closed.")

    @server.tool
    def picture() -> Image:
        """Show."""
        return Image(data=b"12345", format="png")

    @server.tool
    def escape() -> str:
        """Try to take over a terminal."""
        return "\x1b]0;owned\x07\x1b[2Jtext\u202e"

    @server.tool(permission="auth.add_user")
    def secret() -> str:
        """For some."""
        return "secret"

    @server.resource("shop://hours")
    def hours() -> str:
        """When it is open."""
        return "from nine to five"

    @server.prompt
    def recommend(topic: str) -> str:
        """Recommend."""
        return f"Recommend {topic}."

    return server


class Said(NamedTuple):
    """What a command printed."""

    out: str
    err: str


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What somebody types, line by line."""

    def lines(*texts: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{text}\n" for text in texts)))

    lines()
    return lines


def call(shop: MCPServer, *words: str, **options: Any) -> Said:
    out, err = io.StringIO(), io.StringIO()
    options.setdefault("server", shop.name)
    if "url" in options:
        del options["server"]
    call_command("mcp_call", *words, stdout=out, stderr=err, **options)
    return Said(out.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pictur"], r"'pictur' is not a tool; did you mean `picture`\?"),
        (["secre"], "'secre' is not a tool; there are `"),
        (["recomend", "topic=whales", "--prompt"], r"is not a prompt; did you mean `recommend`\?"),
    ],
)
def test_a_name_that_was_mistyped_is_told_with_what_comes_near_it(
    shop: MCPServer, words: list[str], said: str
) -> None:
    """Not with what is not for the caller: nobody here may see the secret."""
    with pytest.raises(CommandError, match=said):
        call(shop, *words)


# --------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("word", "schema", "value"),
    [
        ("a=12", {"type": "string"}, "12"),
        ("a=12", {"type": "integer"}, 12),
        ("a=12", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 12),
        ("a=null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("a=true", {"type": "boolean"}, True),
        ("a=yes", {"type": "boolean"}, "yes"),
        ("a=[1,2]", {"type": "array"}, [1, 2]),
        ("a=x=y", {"type": "string"}, "x=y"),
        ('a:="12"', {"type": "integer"}, "12"),
        ("a=two\nlines", {}, "two\nlines"),
        ("a=", {"type": "string"}, ""),
        ("a=12", {"enum": ["12", "13"], "type": "string"}, "12"),
        # What JSON has no words for is text, and for the server to refuse.
        ("a=NaN", {"type": "number"}, "NaN"),
        ("a=1e999", {"type": "number"}, "1e999"),
        (f"a={'[' * 100_000}", {"type": "array"}, "[" * 100_000),
        # Schemas that are none.
        ("a=12", {"type": 5}, 12),
        ("a=12", {"type": [["string"], {}, "string"]}, "12"),
        ("a=12", {"anyOf": 5, "oneOf": "string"}, 12),
    ],
)
def test_a_word_is_read_as_its_schema_has_it(word: str, schema: Any, value: Any) -> None:
    assert typed.read([word], {"properties": {"a": schema}}, None) == {"a": value}


@pytest.mark.parametrize(
    "word", ["a", "=1", "a:=nope", ":=1", "a:=NaN", "a:=[1e999]", f"a:={'[' * 100_000}"]
)
def test_a_word_that_is_no_argument_is_named(shop: MCPServer, word: str) -> None:
    with pytest.raises(CommandError, match=r"name=value|JSON"):
        call(shop, "echo", word)


def test_all_arguments_may_be_one_object_of_which_words_stand_before(shop: MCPServer) -> None:
    said = call(shop, "echo", "text=b", json='{"text": "a", "number": 2}')
    assert json.loads(said.out) == {"text": "b", "number": 2, "items": None}
    with pytest.raises(CommandError, match="object"):
        call(shop, "echo", json="[1]")


# ----------------------------------------------------------------------------------------- answers


def test_data_is_printed_as_json_and_text_as_it_is(shop: MCPServer) -> None:
    said = call(shop, "echo", "text=hi", "items:=[1]")
    assert said.out == '{\n  "text": "hi",\n  "number": 0,\n  "items": [\n    1\n  ]\n}\n'
    assert call(shop, "shout", "text=hi").out == "HI\n"


def test_a_picture_is_said_to_be_one(shop: MCPServer) -> None:
    assert call(shop, "picture").out == "[image image/png, 5 bytes]\n"


def test_a_resource_and_a_prompt_are_printed(shop: MCPServer) -> None:
    assert call(shop, "shop://hours", resource=True).out == "from nine to five\n"
    assert call(shop, "recommend", "topic=whales", prompt=True).out == "user: Recommend whales.\n"


def test_the_arguments_of_a_prompt_may_be_one_object(shop: MCPServer) -> None:
    said = call(shop, "recommend", prompt=True, json='{"topic": 1851}')
    assert said.out == "user: Recommend 1851.\n"
    said = call(shop, "recommend", "topic=whales", prompt=True, json='{"topic": "ships"}')
    assert said.out == "user: Recommend whales.\n"


@pytest.mark.parametrize("given", [["a=1"], ["--json", "{}"]])
def test_a_resource_takes_no_arguments(shop: MCPServer, given: list[str]) -> None:
    with pytest.raises(CommandError, match="--resource takes no arguments"):
        call(shop, "shop://hours", *given, resource=True)


def test_the_whole_answer_is_json(shop: MCPServer) -> None:
    answer = json.loads(call(shop, "shout", "text=hi", raw=True).out)
    assert answer["content"] == [{"type": "text", "text": "HI"}]
    assert "contents" in json.loads(call(shop, "shop://hours", resource=True, raw=True).out)
    messages = json.loads(call(shop, "recommend", "topic=x", prompt=True, raw=True).out)
    assert messages["messages"][0]["role"] == "user"


def test_a_terminal_is_not_taken_over(shop: MCPServer) -> None:
    assert call(shop, "escape").out == "]0;owned[2Jtext\n"


def test_text_that_looks_like_endless_json_is_text(shop: MCPServer) -> None:
    @shop.tool
    def nested() -> t.CallToolResult:
        """Nest."""
        text = t.TextContent(text="[" * 100_000)
        return t.CallToolResult(content=[text], structured_content={"a": 1})

    assert call(shop, "nested").out == "[" * 100_000 + "\n"


def test_progress_of_any_size_is_shown(shop: MCPServer) -> None:
    err = io.StringIO()
    step = t.ProgressNotificationParams(progress_token=1, progress=10**400, total=10**401)
    Command(stderr=err)._progress(step)
    assert err.getvalue() == "…/…\n"


def test_who_waits_too_short_is_told_of_the_option(shop: MCPServer) -> None:
    @shop.tool
    async def dawdle() -> None:
        """Never end."""
        await asyncio.Event().wait()

    with pytest.raises(CommandError, match=r"within 0\.2 s\. Wait longer with --timeout"):
        call(shop, "dawdle", timeout=0.2)


def test_options_may_stand_between_the_words(shop: MCPServer) -> None:
    out = io.StringIO()
    words = ["echo", "--server", shop.name, "text=hi", "--timeout", "9", "number=2", "--raw"]
    call_command("mcp_call", *words, stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["structuredContent"] == {"text": "hi", "number": 2, "items": None}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shout", "--", "--user=root"], "The tool 'shout' failed"),
        (["shout", "text=no", "--timeout", "9", "--", "--user=root"], "The tool 'shout' failed"),
        (["--", "--url=http://127.0.0.1:9/mcp", "text=no"], "Unknown tool"),
        (["--timeout", "9", "--", "--user=root"], "Unknown tool"),
        (["shout", "--", "text=no", "--"], "'--' is no argument"),
    ],
)
def test_behind_two_dashes_there_are_words_alone(
    shop: MCPServer, words: list[str], message: str
) -> None:
    # As a script writes it that was given them by somebody else.
    with pytest.raises(CommandError, match=message):
        call_command("mcp_call", "--server", shop.name, *words)


@pytest.mark.parametrize("word", ["\x1b[2J\u202ex:=x", "text\x1b[2J\u2066"])
def test_a_word_that_is_no_argument_is_repeated_without_commands(
    shop: MCPServer, word: str
) -> None:
    with pytest.raises(CommandError) as raised:
        call(shop, "shout", word)
    assert str(raised.value).isprintable()


def test_two_dashes_may_stand_before_the_name(shop: MCPServer) -> None:
    out = io.StringIO()
    call_command("mcp_call", "--server", shop.name, "--", "shout", "text=hi", stdout=out)
    assert out.getvalue() == "HI\n"


def test_only_the_name_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ManagementUtility(["manage.py", "mcp_call"]).execute()
    assert capsys.readouterr().err.endswith("the following arguments are required: name\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": ["A: b"]}, "--header is for --url"),
        ({"oauth": True}, "--oauth is for --url"),
        (
            {"url": "http://127.0.0.1:1/mcp", "header": ["Content-Length: 5"]},
            "--header 'Content-Length': leave it out",
        ),
        ({"timeout": 0.0}, "--timeout 0: give seconds"),
        ({"timeout": float("nan")}, "--timeout nan: give seconds"),
    ],
)
def test_what_makes_no_sense_is_refused(
    shop: MCPServer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        call(shop, "shout", "text=hi", **options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fail"], "The tool 'fail' failed"),
        (["nobody"], "Unknown tool"),
        (["echo"], "failed"),
        (["secret"], "Unknown tool"),
    ],
)
def test_what_fails_ends_with_an_error(shop: MCPServer, words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call(shop, *words)


def test_a_server_or_user_that_is_none_is_named(shop: MCPServer, db: None) -> None:
    with pytest.raises(CommandError, match="'nowhere'"):
        call(shop, "echo", server="nowhere")
    with pytest.raises(CommandError, match="'ada'"):
        call(shop, "echo", user="ada")


@pytest.mark.django_db(transaction=True)
def test_a_user_may_what_the_permissions_allow(shop: MCPServer) -> None:
    user = User.objects.create(username="ada")
    user.user_permissions.add(Permission.objects.get(codename="add_user"))
    assert call(shop, "secret", user="ada").out == "secret\n"


# --------------------------------------------------------------------------------------- questions


@pytest.mark.parametrize("revision", [None, "2025-11-25"])
def test_a_form_is_filled_in_field_by_field(
    shop: MCPServer, typing: Any, revision: str | None
) -> None:
    typing("many", "3", "green", "blue", "y")
    said = call(shop, "order", revision=revision)
    assert said.out == "accept Copies(copies=3, color='blue', gift=True)\n"
    assert "1/2 half of it\n" in said.err
    assert "warning: almost\n" in said.err
    assert "What may it be?\n" in said.err
    assert "How many (copies): Not too many. [1]: " in said.err
    assert "A whole number is wanted." in said.err
    assert "One of these is wanted: red, blue." in said.err


def test_what_has_a_default_may_be_left_out(shop: MCPServer, typing: Any) -> None:
    typing("", "", "red", "")
    assert call(shop, "order").out == "accept Copies(copies=1, color='red', gift=False)\n"


def test_a_number_is_one_that_can_be_sent(shop: MCPServer, typing: Any) -> None:
    @shop.tool
    async def weigh(ctx: Context) -> str:
        """Weigh."""
        answer = await ctx.ask("How heavy is it?", Weight)
        return repr(answer.data)

    typing("nan", "1e999", "2.5")
    said = call(shop, "weigh")
    assert said.out == "Weight(kilos=2.5)\n"
    assert said.err.count("A number is wanted.") == 2


def test_the_end_of_input_decides_nothing(shop: MCPServer, typing: Any) -> None:
    typing("2")
    assert call(shop, "order").out == "cancel None\n"


def test_a_question_without_fields_is_answered_with_yes_or_no(shop: MCPServer, typing: Any) -> None:
    typing("what", "n")
    assert call(shop, "delete").out == "false\n"


# -------------------------------------------------------------------------------------- at a URL


def test_a_server_at_a_url_is_called(
    shop: MCPServer, mcp_live_server: LiveServer, typing: Any
) -> None:
    typing("y")
    url = mcp_live_server.url(shop)
    assert call(shop, "delete", url=url).out == "true\n"
    with pytest.raises(CommandError, match="leave out --url"):
        call(shop, "delete", url=url, user="ada")


def test_a_token_of_the_environment_is_sent_and_never_shown(
    shop: MCPServer, mcp_live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_token(request: Any) -> Any:
        return LOCAL if request.headers.get("authorization") == "Bearer s3cret" else None

    url = mcp_live_server.url(shop, authenticate=by_token)
    with pytest.raises(
        CommandError, match=r"401.* MCP_TOKEN in the environment, --header or --oauth"
    ):
        call(shop, "shout", "text=hi", url=url)
    monkeypatch.setenv("MCP_TOKEN", "s3cret")
    assert call(shop, "shout", "text=hi", url=url).out == "HI\n"
    monkeypatch.setenv("MCP_TOKEN", "other-s3cret")
    with pytest.raises(CommandError) as caught:
        call(shop, "shout", "text=hi", url=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["s3cret\nX-More: 1", "s3cr\N{LATIN SMALL LETTER E WITH ACUTE}t"])
def test_a_token_that_is_none_is_not_shown_either(
    shop: MCPServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("MCP_TOKEN", token)
    with pytest.raises(CommandError, match="MCP_TOKEN in the environment is no token") as caught:
        call(shop, "shout", "text=hi", url="http://127.0.0.1:9/mcp")
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/mcp",
        "",
        "file:///etc/passwd",
        "http://",
        "http://[::1/mcp",
        "http://127.0.0.1:99999/mcp",
        "http://127.0.0.1/\x1b[2J",
    ],
)
def test_what_is_no_url_is_refused(shop: MCPServer, url: str) -> None:
    with pytest.raises(CommandError, match="--url: give the whole URL"):
        call(shop, "shout", "text=hi", url=url)


def test_where_nobody_listens_that_is_said(shop: MCPServer) -> None:
    with pytest.raises(CommandError, match="cannot be reached"):
        call(shop, "shout", "text=hi", url="http://127.0.0.1:9/mcp")
