"""Tools, a prompt and a resource that ask the client something before they answer."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, Field

from django_mcp import ClientCannotAnswer, Context, prompt, questions, resource, tool
from django_mcp.types import TextContent


class Reader(BaseModel):
    """Every kind of field a form can have."""

    name: str = Field(description="How to call you", min_length=1)
    age: int = Field(ge=0, default=30)
    height: float | None = None
    member: bool = False
    shelf: Literal["top", "bottom"] = "top"
    likes: list[Literal["novel", "essay"]] = []


@tool
async def register(ctx: Context) -> dict[str, Any]:
    """Ask for a form."""
    answer = await ctx.ask("Who are you? ☺", Reader)
    return {"action": answer.action, "data": answer.data and answer.data.model_dump()}


@tool
def register_in_a_thread(ctx: Context) -> str:
    """Ask for a form from a sync function."""
    answer = ctx.wait(ctx.ask("Who are you?", Reader))
    return answer.data.name if answer.data else answer.action


@tool
async def agree(ctx: Context, what: str) -> bool:
    """Ask for a yes."""
    return await ctx.confirm(what)


@tool
async def pay(ctx: Context, amount: int) -> str:
    """Send the user elsewhere."""
    return (await ctx.ask_url("Pay, please", f"https://pay.example.com/?amount={amount}")).action


PAYMENT = "https://pay.example.com/first"


@tool
async def pay_first(ctx: Context) -> str:
    """Refuse until the user has been elsewhere."""
    await ctx.require_url("Pay first, please", PAYMENT)


@tool
async def paid(ctx: Context) -> None:
    """What the place the user was sent to would say."""
    ctx.server.notify_elicitation_complete(PAYMENT)


@tool
async def is_there(ctx: Context) -> bool:
    """Ping the client."""
    await ctx.ping()
    return True


@tool
async def summarize(ctx: Context, text: str) -> str:
    """Ask the client's model."""
    result = await ctx.sample(
        f"Sum up: {text}", max_tokens=20, system_prompt="Be brief", temperature=0.5
    )
    content = result.content
    return content.text if isinstance(content, TextContent) else "no text"


@tool
async def look_around(ctx: Context) -> list[str]:
    """Ask for the roots."""
    return [f"{root.uri} {root.name}" for root in await ctx.list_roots()]


@tool
async def ask_everything(ctx: Context) -> dict[str, Any]:
    """Ask four questions at once."""
    found = await ctx.ask_all(
        {
            "form": questions.form("A number?", int),
            "url": questions.url("Go there", "https://example.com/there"),
            "model": questions.sample("Hello"),
            "roots": questions.roots(),
        }
    )
    return {
        "form": found["form"].data,
        "url": found["url"].action,
        "model": found["model"].model,
        "roots": [str(root.uri) for root in found["roots"]],
    }


@tool
async def ask_together(ctx: Context) -> list[int | None]:
    """Ask two questions from two tasks of one group."""

    async def one(key: str) -> int | None:
        return (await ctx.ask(f"Number {key}?", int, key=key)).data

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(key)) for key in ("a", "b")]
    return [task.result() for task in tasks]


@tool
async def interview(ctx: Context, rounds: int) -> list[int]:
    """Ask one question after another, each knowing the answers before."""
    answers: list[int] = []
    for _ in range(rounds):
        answer = await ctx.ask(f"After {answers}?", int)
        if answer.data is None:
            break
        answers.append(answer.data)
    return answers


@tool
async def ask_if_possible(ctx: Context) -> str:
    """Go on without an answer where the client gives none."""
    try:
        return (await ctx.ask("Your name?", str)).data or "declined"
    except ClientCannotAnswer as error:
        return f"lacking {', '.join(error.required)}"


@prompt
async def personal(ctx: Context) -> str:
    """A prompt that asks first."""
    return f"Write to {(await ctx.ask('Whom?', str)).data}."


@resource("memo://private")
async def private(ctx: Context) -> str:
    """A resource that asks first."""
    return "here it is" if await ctx.confirm("Show it?") else "kept"
