"""What a tool answered, as the application reads it.

Owns the reading of a result: its text, its data, and whether it fits what the tool said that it
would be. Which tool said what is `client`'s to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..protocol import types as t


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """The answer of a tool.

    `content` is for a model or a person to read; `structured_content` is any JSON value, None where
    there is none; `data` is that value made typed by the tool's output schema, or the bare value
    where the schema only wraps one.
    """

    content: list[t.ContentBlock]
    structured_content: Any = None
    is_error: bool = False
    meta: dict[str, Any] | None = None
    data: Any = None

    @property
    def text(self) -> str:
        """The texts of the content, one after the other."""
        return "\n".join(block.text for block in self.content if isinstance(block, t.TextContent))
