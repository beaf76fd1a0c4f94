"""Questions of a server, asked on a terminal: forms field by field, URLs, and what a model says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

from ...client import UserCancelled
from ...protocol import types as t

YES: Final = frozenset({"y", "yes", "true", "1"})
NO: Final = frozenset({"n", "no", "false", "0"})


class Terminal:
    """A person at a terminal. `say` prints a line, `read` asks for one and raises EOFError."""

    def __init__(self, say: Callable[[str], None], read: Callable[[str], str]) -> None:
        self._say = say
        self._read = read

    def elicit(self, question: t.ElicitRequestParams) -> Any:
        """The answer to a question: the fields of its form, or whether its URL is visited."""
        self._say(question.message)
        try:
            if isinstance(question, t.ElicitRequestURLParams):
                self._say(question.url)
                return self._yes_or_no("Visit it, and go on?")
            if not isinstance(question, t.ElicitRequestFormParams):
                return None
            form = question.requested_schema
            if not form.properties:
                return self._yes_or_no("Agree?")
            required = form.required or []
            found = {
                name: self._field(name, field, name in required)
                for name, field in form.properties.items()
            }
        except EOFError:
            # The end of input, Ctrl-D: nothing was decided.
            raise UserCancelled from None
        return {name: value for name, value in found.items() if value is not None}

    def sample(self, question: t.CreateMessageRequestParams) -> str:
        """What somebody types in the place of a model, up to an empty line."""
        for message in question.messages:
            for block in message.blocks:
                text = block.text if isinstance(block, t.TextContent) else f"[{block.type}]"
                self._say(f"{message.role}: {text}")
        self._say("What does the model say? An empty line ends it.")
        lines: list[str] = []
        try:
            while line := self._read("> "):
                lines.append(line)
        except EOFError:
            pass
        return "\n".join(lines)

    def _field(self, name: str, field: Any, is_required: bool) -> Any:
        """One field, asked for until it can be read; None where it is left out."""
        title = f"{field.title} ({name})" if field.title else name
        if field.description:
            title += f": {field.description}"
        choices = _choices(field)
        for value, label in choices.items():
            self._say(f"  {value}" + (f"  {label}" if label != value else ""))
        default = getattr(field, "default", None)
        if default is not None:
            hint = f" [{json.dumps(default, ensure_ascii=False)}]"
        else:
            hint = "" if is_required else " (may be empty)"
        while True:
            typed = self._read(f"{title}{hint}: ").strip()
            if not typed:
                if default is not None or not is_required:
                    return default
                continue
            try:
                return _read(typed, field, choices)
            except ValueError as error:
                self._say(f"  {error}")

    def _yes_or_no(self, question: str) -> bool:
        while True:
            typed = self._read(f"{question} [y/n] ").strip().lower()
            if typed in YES or typed in NO:
                return typed in YES


def _choices(field: Any) -> dict[str, str]:
    """The values that may be chosen, with what each is called."""
    if isinstance(field, t.TitledSingleSelectEnumSchema):
        return {option.const: option.title for option in field.one_of}
    if isinstance(field, t.TitledMultiSelectEnumSchema):
        return {option.const: option.title for option in field.items.any_of}
    if isinstance(field, t.LegacyTitledEnumSchema):
        return dict(zip(field.enum, field.enum_names or field.enum, strict=False))
    if isinstance(field, t.UntitledSingleSelectEnumSchema):
        return {value: value for value in field.enum}
    if isinstance(field, t.UntitledMultiSelectEnumSchema):
        return {value: value for value in field.items.enum}
    return {}


def _read(typed: str, field: Any, choices: dict[str, str]) -> Any:
    """The value that was typed. Raises ValueError that says what is wanted."""
    if isinstance(field, t.UntitledMultiSelectEnumSchema | t.TitledMultiSelectEnumSchema):
        return [_chosen(part.strip(), choices) for part in typed.split(",")]
    if choices:
        return _chosen(typed, choices)
    if isinstance(field, t.BooleanSchema):
        if typed.lower() not in YES | NO:
            raise ValueError("y or n is wanted.")
        return typed.lower() in YES
    if isinstance(field, t.NumberSchema):
        try:
            number = int(typed) if field.type == "integer" else float(typed)
            if not math.isfinite(number):
                raise ValueError
            return number
        except (ValueError, OverflowError):
            wanted = "A whole number" if field.type == "integer" else "A number"
            raise ValueError(f"{wanted} is wanted.") from None
    return typed


def _chosen(typed: str, choices: dict[str, str]) -> str:
    if typed in choices:
        return typed
    by_title = {title: value for value, title in choices.items()}
    if typed in by_title:
        return by_title[typed]
    raise ValueError(f"One of these is wanted: {', '.join(choices)}.")
