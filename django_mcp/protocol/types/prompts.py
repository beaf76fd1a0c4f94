"""prompts/*: listing prompts and rendering one."""

from typing import Annotated

from django_mcp.protocol.revisions import V2025_06_18

from .base import (
    BaseMetadata,
    CacheableResult,
    Icons,
    InputResponseRequestParams,
    Meta,
    Result,
    Role,
    Since,
    WireModel,
)
from .content import ContentBlock
from .pagination import PaginatedResult


class PromptArgument(BaseMetadata):
    """An argument of a prompt; its value is always text."""

    description: str | None = None
    required: bool | None = None


class Prompt(BaseMetadata, Icons):
    """A prompt the server offers."""

    description: str | None = None
    arguments: list[PromptArgument] | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ListPromptsResult(PaginatedResult, CacheableResult):
    """A page of the server's prompts."""

    prompts: list[Prompt]


class GetPromptRequestParams(InputResponseRequestParams):
    """prompts/get: which prompt, and its arguments."""

    name: str
    arguments: dict[str, str] | None = None


class PromptMessage(WireModel):
    """A message of a rendered prompt."""

    role: Role
    content: ContentBlock


class GetPromptResult(Result):
    """The rendered prompt."""

    description: str | None = None
    messages: list[PromptMessage]
