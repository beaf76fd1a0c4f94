"""What is wrong with a JSON value → lines that a calling model, or a person, can mend it from.

Each line names the place, what is expected there and what came instead. Pydantic's own report has
class names and web addresses in it, and one entry for each arm of a union; this module turns it
into one line for each place. How arguments are checked is `server.schemas`, and how a value is
checked against a JSON Schema, `json_schema.checker`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

# What is wrong is the caller's to choose, so putting it in words must not cost more than reading
# it: only what is shown is worded, and where pydantic found more than MOST_EXAMINED, only counted.
MOST_EXAMINED = 1_000
MOST_PROBLEMS = 20
LONGEST_VALUE = 60
LONGEST_PATH = 300
UNKNOWN = "is not known here"

_N, _I = b"NI"

TYPE_NAMES: Mapping[str, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}

# Kinds whose text in pydantic speaks of Python.
_EXPECTED: Mapping[str, str] = {
    "uuid_type": "should be a UUID as a string",
    "decimal_type": "should be a decimal number",
    "bytes_type": "should be a string",
    "path_type": "should be a path as a string",
    "model_attributes_type": "should be an object",
}

_REPHRASED = (
    (re.compile(r"^Input should be "), "should be "),
    (re.compile(r"^(Value error|Assertion failed), "), ""),
    (
        re.compile(r"^(String|Bytes|Data|List|Tuple|Set|Frozenset|Dictionary|Value) should "),
        "should ",
    ),
    (re.compile(r" after validation, "), ", "),
    (re.compile(r"\ba valid (integer|number|string|boolean|array|object)\b"), r"a \1"),
    (re.compile(r"\ba (integer|array|object)\b"), r"an \1"),
    (re.compile(r"should be a boolean$"), "should be true or false"),
)


def of_validation_error(
    error: ValidationError, arguments: object, properties: Mapping[str, Any]
) -> list[str]:
    """Return the lines for what pydantic found; ``properties`` are those of the input schema."""
    if error.error_count() > MOST_EXAMINED:
        return [f"arguments: have {error.error_count()} problems, too many to name any"]
    places: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for found in error.errors(include_url=False, include_context=False):
        place = tuple(steps(found["loc"], arguments, found["type"] == "missing"))
        places.setdefault(place, []).append(found)
    first = islice(places.items(), MOST_PROBLEMS)
    lines = [_line(_path(place), errors, properties) for place, errors in first]
    rest = len(places) - len(lines)
    return [*lines, f"and {rest} more"] if rest else lines


def _line(path: str, errors: list[ErrorDetails], properties: Mapping[str, Any]) -> str:
    """One place of which several arms of a union complain; to one of them it may be unknown."""
    texts: dict[str, None] = {}
    got = ""
    for found in errors:
        kind, location = found["type"], found["loc"]
        if kind == "missing":
            text = "is missing"
            if len(location) == 1:
                text = missing(properties.get(str(location[0])))
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
            text = unknown(str(location[-1]), properties if len(location) == 1 else ())
        else:
            text = _EXPECTED.get(kind) or _rephrase(found["msg"])
            got = f"; got {shown(found['input'])}"
        texts.setdefault(text)
    said = [text for text in texts if text != UNKNOWN] or texts
    return f"{path}: {', or '.join(said)}{got}"


def missing(schema: Any) -> str:
    """What to say of an argument that did not come: with the type its schema asks for."""
    expected = None
    if isinstance(schema, dict):
        if isinstance(values := schema.get("enum"), list):
            expected = " or ".join(shown(value) for value in values)
        elif isinstance(kind := schema.get("type"), str):
            expected = TYPE_NAMES.get(kind)
    return f"is missing; expected {expected}" if expected else "is missing"


def unknown(name: str, known: Iterable[str], kind: str = "an argument") -> str:
    """What to say of a name nobody asked for: with the nearest name that there is."""
    names = list(known)
    # What is no slip of the pen is not worth the search, which is quadratic in the length.
    near = difflib.get_close_matches(name, names, n=1) if len(name) <= LONGEST_VALUE else []
    if near:
        return f"is not {kind}; did you mean `{near[0]}`?"
    if names:
        return f"is not {kind}; there are {', '.join(f'`{each}`' for each in names)}"
    return UNKNOWN


def path_of(
    location: Sequence[str | int],
    arguments: object,
    *,
    missing: bool = False,
    root: str = "arguments",
) -> str:
    """Write a place like ``filter.tags[2]``; names and paths that are long, in part.

    ``root`` is what the whole value is called.

    Pydantic's locations also hold labels (the arm of a union, the class of a model): only steps
    that exist in ``arguments`` are written, and the last one if that is what is missing.
    """
    return _path(steps(location, arguments, missing), root)


def _path(place: Iterable[str | int], root: str = "arguments") -> str:
    written = [f"[{step}]" if isinstance(step, int) else f".{_cut(step)}" for step in place]
    path = "".join(written).removeprefix(".") or root
    if len(path) <= LONGEST_PATH:
        return path
    return f"{path[: LONGEST_PATH // 2]}…{path[-LONGEST_PATH // 2 :]}"


def shown_url(url: str) -> str:
    """A URL in quotes, without what may be a password in it, whatever is wrong with it."""
    before, at, rest = url.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/+", before)
    return repr(f"{scheme[0] if scheme else ''}********@{rest}" if at else url)


def shown(value: object) -> str:
    """A value as JSON, shortened."""
    try:
        text = to_json(_beginning(value, [LONGEST_VALUE]), fallback=repr).decode()
    except ValueError:
        text = repr(value)
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _beginning(value: Any, room: list[int]) -> Any:
    """As much of a value as can be shown of it; ``room`` counts the members still to be taken."""
    if type(value) is str:
        return value[:LONGEST_VALUE]
    if type(value) is list:
        return [_beginning(item, room) for item in _members(value, room)]
    if type(value) is dict:
        members = _members(value.items(), room)
        return {_beginning(key, room): _beginning(item, room) for key, item in members}
    return value


def _members(items: Iterable[Any], room: list[int]) -> Iterator[Any]:
    for item in items:
        # With as many members as letters, the text is longer than what is shown of it.
        if room[0] < 0:
            return
        room[0] -= 1
        yield item


def mentions_non_finite(written: bytes) -> bool:
    """Whether a JSON text may have NaN or Infinity in it; if so, ``non_finite`` knows for sure.

    One byte is searched first, because in CPython that takes a tenth of the time.
    """
    return (_N in written and b"NaN" in written) or (_I in written and b"Infinity" in written)


def non_finite(value: object) -> tuple[str | int, ...] | None:
    """The place of a number that JSON cannot write (NaN, Infinity), or None."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [({"": value}, ())]
    while waiting:
        holder, location = waiting.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, item in items:
            if isinstance(item, dict | list):
                waiting.append((item, (*location, key)))
            elif isinstance(item, float) and not math.isfinite(item):
                return (*location, key)[1:]
    return None


def leads_into(value: object, step: str | int) -> bool:
    """Whether ``value[step]`` is there."""
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def steps(location: Sequence[str | int], value: Any, missing: bool = False) -> Iterator[str | int]:
    """The part of a location of pydantic's that is in ``value``, as `path_of` tells."""
    for position, step in enumerate(location):
        if leads_into(value, step):
            value = value[step]
        elif not (missing and position == len(location) - 1):
            continue
        yield step


def _rephrase(message: str) -> str:
    for pattern, replacement in _REPHRASED:
        message = pattern.sub(replacement, message)
    return message
