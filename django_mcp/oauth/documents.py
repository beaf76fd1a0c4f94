"""JSON objects from outside: what clients register with, and the documents that describe them.

The standard library takes more than JSON is (other encodings, NaN, a member twice), and more than
can be written again (half of a surrogate pair, 1e400); how deep it goes depends on the interpreter.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from ..protocol.jsonrpc import nests_deeper

#: Levels of arrays and objects; what is described here needs three.
DEEPEST: Final = 16


class NoObject(ValueError):
    """A body is no JSON object; the message goes on after "it"."""


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a body holds; raises NoObject."""
    if nests_deeper(body, DEEPEST):
        raise NoObject(f"is nested deeper than {DEEPEST} levels")
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except NoObject:
        raise
    except ValueError:
        raise NoObject("is not JSON") from None
    if not isinstance(found, dict):
        raise NoObject("is not a JSON object")
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoObject("has a member more than once")
    return found


def _no_constant(literal: str) -> NoReturn:
    raise NoObject("is not JSON")
