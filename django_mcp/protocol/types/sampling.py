"""sampling/createMessage: asking the client's language model."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from django_mcp.protocol.revisions import V2025_11_25

from .base import JSONObject, Meta, Number, Role, Since, Until, WireModel
from .content import AudioContent, ImageContent, TextContent, ToolResultContent, ToolUseContent
from .tools import Tool

SamplingMessageContentBlock: TypeAlias = Annotated[
    TextContent | ImageContent | AudioContent | ToolUseContent | ToolResultContent,
    Field(discriminator="type"),
]


def _one_or_several(content: Any) -> str:
    return "several" if isinstance(content, list) else "one"


class SamplingMessage(WireModel):
    """A message of the conversation; several blocks at once only since 2025-11-25."""

    role: Role
    content: Annotated[
        Annotated[SamplingMessageContentBlock, Tag("one")]
        | Annotated[list[SamplingMessageContentBlock], Tag("several")],
        Discriminator(_one_or_several),
    ]
    meta: Annotated[Meta, Since(V2025_11_25)] = None

    @property
    def blocks(self) -> list[SamplingMessageContentBlock]:
        """The content as a list, whether it is one block or several."""
        return self.content if isinstance(self.content, list) else [self.content]


class ModelHint(WireModel):
    """A part of the name of a model that would do."""

    name: str | None = None


class ModelPreferences(WireModel):
    """Which model to choose; priorities go from 0 to 1."""

    hints: list[ModelHint] | None = None
    cost_priority: Number | None = None
    speed_priority: Number | None = None
    intelligence_priority: Number | None = None


class ToolChoice(WireModel):
    """Whether the model may, must or must not use the tools; absent means `auto`."""

    mode: Literal["auto", "required", "none"] | None = None


class CreateMessageRequestParams(WireModel):
    """sampling/createMessage: the conversation to go on with."""

    messages: list[SamplingMessage]
    model_preferences: ModelPreferences | None = None
    system_prompt: str | None = None
    include_context: Literal["none", "thisServer", "allServers"] | None = None
    temperature: Number | None = None
    max_tokens: int
    stop_sequences: list[str] | None = None
    metadata: JSONObject | None = None
    tools: Annotated[list[Tool] | None, Since(V2025_11_25)] = None
    tool_choice: Annotated[ToolChoice | None, Since(V2025_11_25)] = None
    meta: Annotated[Meta, Until(V2025_11_25)] = None


class CreateMessageRequest(WireModel):
    """The question as it travels inside an input_required result."""

    method: Literal["sampling/createMessage"] = "sampling/createMessage"
    params: CreateMessageRequestParams


class CreateMessageResult(SamplingMessage):
    """What the model said.

    `stop_reason` is `endTurn`, `stopSequence`, `maxTokens`, `toolUse` or the model's own word.
    """

    model: str
    stop_reason: str | None = None

    @property
    def text(self) -> str:
        """The text of what the model said, without the other kinds of content."""
        blocks = self.content if isinstance(self.content, list) else [self.content]
        return "\n".join(block.text for block in blocks if isinstance(block, TextContent))

    # A Result up to 2025-11-25, so that here `_meta` exists in every revision.
    meta: Meta = None
