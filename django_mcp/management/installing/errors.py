"""What a configuration is refused for."""

from __future__ import annotations


class Unreadable(Exception):
    """A text that is not what it should be; `line` and `column` count from 1."""

    def __init__(self, message: str, text: str, position: int) -> None:
        before = text[:position]
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        self.message = message
        super().__init__(f"line {self.line}, column {self.column}: {message}")


class Uneditable(Exception):
    """A text that can be read, and has the entry in a form that is not changed here."""
