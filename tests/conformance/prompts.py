"""Prompts, and the completion of an argument of one."""

from __future__ import annotations

from django_mcp import File, Image

from .fixture import server
from .media import PNG


@server.prompt("test_simple_prompt")
def simple() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@server.prompt("test_prompt_with_arguments")
def with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.completion("test_prompt_with_arguments", "arg1")
def complete_arg1(typed: str) -> list[str]:
    return [value for value in ("testing", "tested", "other") if value.startswith(typed)]


@server.prompt("test_prompt_with_embedded_resource")
def with_embedded_resource(resourceUri: str) -> list[str | File]:
    """A prompt with a resource inside."""
    content = "Embedded resource content for testing."
    return [
        File(data=content, uri=resourceUri, mime_type="text/plain"),
        "Please process the embedded resource above.",
    ]


@server.prompt("test_prompt_with_image")
def with_image() -> list[str | Image]:
    """A prompt with a picture inside."""
    return [Image(data=PNG), "Please analyze the image above."]
