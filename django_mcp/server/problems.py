"""What is wrong with the arguments of a call → lines that a calling model can correct itself from.

Each line names the place, what is expected there and what came instead. Pydantic's own report has
class names and web addresses in it, and one entry for each arm of a union; this module turns it
into one line for each place. How the arguments are checked is ``schemas`` and ``raw_schemas``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

MOST_PROBLEMS = 20
LONGEST_VALUE = 60
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
    messages: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for found in error.errors(include_url=False, include_context=False):
        kind, location = found["type"], found["loc"]
        path = path_of(location, arguments, missing=kind == "missing")
        if kind == "missing":
            text = "is missing"
            if len(location) == 1:
                text = missing(properties.get(str(location[0])))
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
            text = unknown(str(location[-1]), properties if len(location) == 1 else ())
        else:
            text = _EXPECTED.get(kind) or _rephrase(found["msg"])
            values[path] = found["input"]
        known = messages.setdefault(path, [])
        if text not in known:
            known.append(text)
    return limited([_line(path, texts, values) for path, texts in messages.items()])


def _line(path: str, texts: list[str], values: Mapping[str, Any]) -> str:
    """One place of which several arms of a union complain; to one of them it may be unknown."""
    said = [text for text in texts if text != UNKNOWN] or texts
    got = f"; got {shown(values[path])}" if path in values else ""
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


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of an argument nobody asked for: with the nearest name that there is."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"is not an argument; did you mean `{near[0]}`?"
    if names:
        return f"is not an argument; there are {', '.join(f'`{each}`' for each in names)}"
    return UNKNOWN


def path_of(location: Sequence[str | int], arguments: object, *, missing: bool = False) -> str:
    """Write a place like ``filter.tags[2]``.

    Pydantic's locations also hold labels (the arm of a union, the class of a model): only steps
    that exist in ``arguments`` are written, and the last one if that is what is missing.
    """
    path = ""
    for step in _steps(location, arguments, missing):
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path or "arguments"


def shown(value: object) -> str:
    """A value as JSON, shortened."""
    try:
        text = to_json(value, fallback=repr).decode()
    except ValueError:
        text = repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def limited(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there would be."""
    rest = len(lines) - MOST_PROBLEMS
    return [*lines[:MOST_PROBLEMS], f"and {rest} more"] if rest > 0 else list(lines)


def mentions_non_finite(written: bytes) -> bool:
    """Whether a JSON text may have NaN or Infinity in it; if so, ``non_finite`` knows for sure.

    One byte is searched first, because in CPython that takes a tenth of the time.
    """
    return (_N in written and b"NaN" in written) or (_I in written and b"Infinity" in written)


def non_finite(value: object, location: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """The place of a number that JSON cannot write (NaN, Infinity), or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else location
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        if (found := non_finite(item, (*location, key))) is not None:
            return found
    return None


def leads_into(value: object, step: str | int) -> bool:
    """Whether ``value[step]`` is there."""
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _steps(location: Sequence[str | int], value: Any, missing: bool) -> Iterator[str | int]:
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
