"""completion/complete: suggestions for an argument of a prompt or of a resource template."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from django_mcp.protocol.revisions import V2025_06_18

from .base import BaseMetadata, RequestParams, Result, Since, WireModel


class PromptReference(BaseMetadata):
    """A prompt, by its name."""

    type: Literal["ref/prompt"] = "ref/prompt"


class ResourceTemplateReference(WireModel):
    """A resource template, by its URI template; `ResourceReference` up to 2025-03-26."""

    type: Literal["ref/resource"] = "ref/resource"
    uri: str


CompletionReference: TypeAlias = Annotated[
    PromptReference | ResourceTemplateReference, Field(discriminator="type")
]


class CompletionArgument(WireModel):
    """The argument being filled in, and what is there so far."""

    name: str
    value: str


class CompletionContext(WireModel):
    """The arguments that are already filled in."""

    arguments: dict[str, str] | None = None


class CompleteRequestParams(RequestParams):
    """completion/complete: what is being filled in."""

    ref: CompletionReference
    argument: CompletionArgument
    context: Annotated[CompletionContext | None, Since(V2025_06_18)] = None


class Completion(WireModel):
    """Suggestions, best first; a server may send at most 100 (server/utilities/completion)."""

    values: list[str]
    total: int | None = None
    has_more: bool | None = None


class CompleteResult(Result):
    """The suggestions."""

    completion: Completion
