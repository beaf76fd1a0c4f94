"""Arguments as they are typed in a shell, as the values a tool's input schema asks for.

Owns the two spellings, `name=value` and `name:=json`. Whether a value is allowed is the server's to
say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_WORD: Final = re.compile(r"(?P<name>[^=:]+)(?P<mark>:?=)(?P<value>.*)", re.DOTALL)


class Unreadable(ValueError):
    """What was typed is no argument."""


def read(words: Iterable[str], schema: Mapping[str, Any], whole: str | None) -> dict[str, Any]:
    """The arguments: those of the JSON object `whole`, and of `words`, which win.

    `name=value` is text where the schema takes text, else JSON where it can be read as such;
    `name:=json` is JSON. Raises Unreadable.
    """
    arguments = {} if whole is None else _object(whole)
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None:
            raise Unreadable(f"{word!r} is no argument: write name=value, or name:=JSON.")
        name, text = match["name"], match["value"]
        if match["mark"] == ":=":
            arguments[name] = _json(text, name)
        else:
            arguments[name] = _value(text, _kinds(schema, name))
    return arguments


def texts(words: Iterable[str], given: str | None = None) -> dict[str, str]:
    """Arguments that are all text, as those of a prompt; `given` is a JSON object, of which what
    is no text becomes its JSON. Raises Unreadable."""
    arguments = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in ({} if given is None else _object(given)).items()
    }
    for word in words:
        name, mark, value = word.partition("=")
        if not mark or not name:
            raise Unreadable(f"{word!r} is no argument: write name=value.")
        arguments[name] = value
    return arguments


def _object(text: str) -> dict[str, Any]:
    value = _json(text, "--json")
    if not isinstance(value, dict):
        raise Unreadable("--json takes an object: the arguments by their names.")
    return value


def _json(text: str, name: str) -> Any:
    try:
        return loaded(text)
    except ValueError as error:
        raise Unreadable(f"{name}: {text[:80]!r} is no JSON: {error}") from None


def loaded(text: str) -> Any:
    """The value of JSON; raises ValueError for what cannot be sent as JSON, too."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # Python reads NaN and 1e999, which JSON has not.
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value


def _kinds(schema: Mapping[str, Any], name: str) -> set[str]:
    """The JSON types that a property may have, as far as its schema says at once."""
    properties = schema.get("properties")
    wanted = properties.get(name) if isinstance(properties, Mapping) else None
    found: set[str] = set()
    queue = [wanted]
    while queue:
        each = queue.pop()
        if not isinstance(each, Mapping):
            continue
        kind = each.get("type")
        # A server may send anything as a schema.
        found.update(one for one in _list(kind) or [kind] if isinstance(one, str))
        choices = each.get("enum")
        if isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
            found.add("string")
        for keyword in ("anyOf", "oneOf"):
            queue += _list(each.get(keyword))
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(text: str, kinds: set[str]) -> Any:
    if kinds == {"string"}:
        return text
    try:
        value = loaded(text)
    except ValueError:
        return text
    # "12" for what may be a number or a text is the number; "null" for a text that may be
    # absent is its absence.
    return text if isinstance(value, str) else value
