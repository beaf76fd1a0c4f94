"""Arguments that do not fit → the arguments that were meant, where that is beyond doubt.

Two things that clients send are put right: a number like ``2.0`` where an integer is wanted, and
JSON in a string where something else than a string is wanted. The second is also what makes the
texts of a prompt's arguments and of a URI's variables into numbers. What fits is `schemas`' to say,
before and after.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from ..protocol import jsonrpc, problems


def mended(arguments: dict[str, Any], error: ValidationError) -> dict[str, Any] | None:
    """A copy of ``arguments`` without what ``error`` says is wrong and can be put right, or None.

    What is wrong in a great many places is not: looking at each costs more than the check did.
    """
    if error.error_count() > problems.MOST_EXAMINED:
        return None
    draft = _Draft(arguments)
    texts: set[tuple[str | int, ...]] = set()
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        kind, path = found["type"], tuple(problems.steps(found["loc"], draft.arguments))
        value = draft.at(path)
        if isinstance(value, float) and kind == "int_type" and value.is_integer():
            draft.put(path, int(value))
        # Once: each arm of a union complains of the same text.
        elif isinstance(value, str) and _is_no_text(path, kind) and path not in texts:
            texts.add(path)
            read = _read(value)
            if not isinstance(read, str):
                draft.put(path, read)
    return draft.arguments if draft.changed else None


# Kinds of errors that say: this is not a text.
_NOT_TEXT: Final = frozenset(
    {
        "int_type",
        "float_type",
        "bool_type",
        "none_required",
        "list_type",
        "tuple_type",
        "set_type",
        "frozen_set_type",
        "dict_type",
        "mapping_type",
        "model_type",
        "model_attributes_type",
        "dataclass_type",
        "enum",
        "literal_error",
    }
)


def _is_no_text(path: Sequence[str | int], kind: str) -> bool:
    return len(path) == 1 and kind in _NOT_TEXT


def _read(text: str) -> Any:
    """The JSON in ``text``, or the text itself."""
    if jsonrpc.nests_deeper(text.encode(), jsonrpc.MAX_DEPTH):
        return text
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


class _Draft:
    """Arguments that can be changed and stay as they were for everybody else.

    Copied is only what leads to a change, once: the arguments may be large and the change small.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = dict(arguments)
        self.changed = False
        self._own = {id(self.arguments)}

    def at(self, path: Sequence[str | int]) -> Any:
        value: Any = self.arguments
        for step in path:
            value = value[step]
        return value

    def put(self, path: Sequence[str | int], value: Any) -> None:
        holder: Any = self.arguments
        for step in path[:-1]:
            if id(holder[step]) not in self._own:
                holder[step] = copy.copy(holder[step])
                self._own.add(id(holder[step]))
            holder = holder[step]
        holder[path[-1]] = value
        self.changed = True
