"""Tools and a prompt that ask the client something before they answer.

The first half is asked for by the scenarios of the stateful revisions, the second by those of
2026-07-28. Nothing in the code tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django_mcp import Answer, Context, questions
from django_mcp.types import CreateMessageResult, TextContent

from .fixture import server


@dataclass
class Name:
    name: str


@dataclass
class Color:
    color: str


@dataclass
class Confirmation:
    ok: bool


@dataclass
class Background:
    context: str


# ---------------------------------------------------------------------------- a tool each question


@server.tool("test_sampling")
async def sampling(ctx: Context, prompt: str) -> str:
    """Have the client's model complete a prompt."""
    return f"LLM response: {text_of(await ctx.sample(prompt, max_tokens=100))}"


@server.tool("test_elicitation")
async def elicitation(ctx: Context, message: str) -> str:
    """Ask the user who they are."""
    return described(await ctx.ask(message, USER))


USER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}


@server.tool("test_elicitation_sep1034_defaults")
async def elicitation_defaults(ctx: Context) -> str:
    """Ask with a default for every kind of field (SEP-1034)."""
    return described(await ctx.ask("Please review these values", DEFAULTS))


DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}


@server.tool("test_elicitation_sep1330_enums")
async def elicitation_enums(ctx: Context) -> str:
    """Ask with every kind of choice there is (SEP-1330)."""
    return described(await ctx.ask("Please choose", CHOICES))


def _titled(*values: str) -> list[dict[str, str]]:
    return [{"const": value, "title": value.title()} for value in values]


CHOICES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": _titled("value1", "value2", "value3")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": _titled("value1", "value2", "value3")},
        },
    },
}

# ------------------------------------------------------------------- questions that make rounds


@server.tool("test_input_required_result_elicitation")
async def ask_name(ctx: Context) -> str:
    """Greet the user by name."""
    answer = await ctx.ask("What is your name?", Name, key="user_name")
    return f"Hello, {answer.data.name}!" if answer.data else "Hello!"


@server.tool("test_input_required_result_sampling")
async def ask_model(ctx: Context) -> str:
    """Ask the client's model."""
    result = await ctx.sample(
        "What is the capital of France?", max_tokens=100, key="capital_question"
    )
    return text_of(result)


@server.tool("test_input_required_result_list_roots")
async def ask_roots(ctx: Context) -> str:
    """Name what the client shares."""
    roots = await ctx.list_roots(key="client_roots")
    return ", ".join(root.uri for root in roots)


@server.tool("test_input_required_result_request_state")
async def ask_with_state(ctx: Context) -> str:
    """Ask, and find the state of the call again with the answer."""
    answer = await ctx.ask("Please confirm", Confirmation, key="confirm")
    return f"state-ok, {answer.action}"


@server.tool("test_input_required_result_tampered_state")
async def ask_with_sealed_state(ctx: Context) -> str:
    """Ask, and refuse an answer whose state somebody wrote into."""
    answer = await ctx.ask("Please confirm", Confirmation, key="confirm")
    return f"The state is as it was, {answer.action}"


@server.tool("test_input_required_result_multiple_inputs")
async def ask_everything(ctx: Context) -> str:
    """Ask the user, the model and the client at the same time."""
    answers = await ctx.ask_all(
        {
            "user_name": questions.form("What is your name?", Name),
            "greeting": questions.sample("Generate a greeting", max_tokens=50),
            "client_roots": questions.roots(),
        }
    )
    greeting = text_of(answers["greeting"])
    return f"{answers['user_name'].data}: {greeting} {len(answers['client_roots'])} roots"


@server.tool("test_input_required_result_multi_round")
async def ask_twice(ctx: Context) -> str:
    """Ask, and ask again."""
    name = await ctx.ask("Step 1: What is your name?", Name, key="step1")
    color = await ctx.ask("Step 2: What is your favorite color?", Color, key="step2")
    return f"{name.data} likes {color.data}"


@server.tool("test_input_required_result_capabilities")
async def ask_what_can_be_asked(ctx: Context) -> str:
    """Ask only what the client said it can answer."""
    wanted: dict[str, Any] = {
        "user_name": questions.form("What is your name?", Name),
        "greeting": questions.sample("Generate a greeting", max_tokens=50),
        "client_roots": questions.roots(),
    }
    answers = await ctx.ask_all({key: each for key, each in wanted.items() if ctx.can_ask(each)})
    return f"Answered: {', '.join(answers) or 'nothing'}"


@server.tool("test_missing_capability")
async def ask_without_capability(ctx: Context) -> str:
    """Ask the client's model, whether or not the client has one."""
    return text_of(await ctx.sample("Are you there?", max_tokens=10))


@server.tool("test_streaming_elicitation")
async def ask_after_progress(ctx: Context) -> str:
    """Report progress, then ask."""
    await ctx.report_progress(1, 2)
    return described(await ctx.ask("What is your name?", Name, key="user_name"))


@server.prompt("test_input_required_result_prompt")
async def ask_for_prompt(ctx: Context) -> str:
    """A prompt that asks what it should be about."""
    answer = await ctx.ask("What context should the prompt use?", Background, key="user_context")
    return f"Use this context: {answer.data.context if answer.data else 'none'}"


# ---------------------------------------------------------------------------------------- answers


def text_of(result: CreateMessageResult) -> str:
    """What the client's model said."""
    return " ".join(block.text for block in result.blocks if isinstance(block, TextContent))


def described(answer: Answer[Any]) -> str:
    """What the user did."""
    return f"User response: action={answer.action}, content={answer.data}"
