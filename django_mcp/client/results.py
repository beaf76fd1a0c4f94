"""What a tool answered, as the application reads it.

Owns the value alone. Whether it fits what the tool said, and how its data are made, is `outputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..protocol import types as t

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ToolResult(Generic[T]):
    """The answer of a tool.

    `content` is for a model or a person to read; `structured_content` is any JSON value, None where
    there is none. `data` is that value with what only wraps it taken off: of the type that the
    caller gave, else as the tool's output schema has it (dates, UUIDs, and a `Record` for an object
    with known members), else plain JSON. It is None where the tool failed.
    """

    content: list[t.ContentBlock]
    structured_content: Any = None
    is_error: bool = False
    meta: dict[str, Any] | None = None
    data: T | None = None

    @property
    def text(self) -> str:
        """The texts of the content, one after the other."""
        return "\n".join(block.text for block in self.content if isinstance(block, t.TextContent))
