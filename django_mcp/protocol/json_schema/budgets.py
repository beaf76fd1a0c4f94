"""What checking a value against a JSON Schema may cost, whatever the schema and the value are.

A schema that contains itself in several ways multiplies the work with each level of nesting, and
some keywords compare every item with every other, so a small call can keep a process busy for
hours (2026-07-28, basic/index#composition-keyword-resource-use). `counting` makes a validator of
``jsonschema`` that counts as it goes, for `checker`; under `spending` it raises `Spent` when
that has become too much.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

#: The steps of one check. A keyword that is looked at is one; it takes about 5 µs.
MOST_STEPS: Final = 100_000

# Keywords that look at each member of the value, even where its own schema says nothing.
_OF_EACH_MEMBER: Final = frozenset(
    {
        "items",
        "prefixItems",
        "additionalItems",
        "contains",
        "propertyNames",
        "additionalProperties",
        "patternProperties",
    }
)
# Keywords of which jsonschema searches a list of the members for each member.
_OF_EACH_PAIR: Final = frozenset({"unevaluatedItems", "unevaluatedProperties"})


class Spent(Exception):
    """A check has taken more steps than one may."""


class _Purse:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def pay(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Spent


_purse: ContextVar[_Purse] = ContextVar("_purse")


@contextmanager
def spending() -> Iterator[None]:
    """Within this, a counting validator raises Spent after `MOST_STEPS`."""
    token = _purse.set(_Purse())
    try:
        yield
    finally:
        _purse.reset(token)


def counting(validator: Any) -> Any:
    """A validator class like ``validator`` whose instances count, and work only in `spending`."""
    keywords = {**validator.VALIDATORS, "uniqueItems": _unique_items}
    make: Any = extend
    return make(validator, {name: _counted(name, check) for name, check in keywords.items()})


def _counted(name: str, keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        purse = _purse.get()
        purse.pay(_price(name, value, instance, schema))
        for error in keyword(validator, value, instance, schema) or ():
            # Where it is made, not where it passes by: its message has the value in full.
            purse.pay(1 if error.relative_schema_path else 1 + len(error.message) // 100)
            yield error

    return check


def _price(name: str, value: Any, instance: Any, schema: Any) -> int:
    # Names, choices and forms that the schema lists are gone through one by one.
    price = 1 + (len(value) // 20 if isinstance(value, list | dict) else 0)
    if isinstance(instance, list | dict):
        if name in _OF_EACH_MEMBER:
            patterns = len(schema.get("patternProperties", ()))
            price += len(instance) * (1 + patterns // 10)
        elif name in _OF_EACH_PAIR:
            price += len(instance) ** 2 // 500
    return price


def _unique_items(
    validator: Any, value: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """No item twice, by what is written of each; jsonschema compares each with each."""
    if not value or not validator.is_type(instance, "array"):
        return
    purse = _purse.get()
    seen: set[str] = set()
    for item in instance:
        # Not by hash(): numbers with the same one are easily found, texts are not.
        text = json.dumps(_canonical(item), sort_keys=True)
        purse.pay(1 + len(text) // 100)
        if text in seen:
            yield ValidationError("has an item twice")
            return
        seen.add(text)


def _canonical(value: Any) -> Any:
    """The value so that equal ones are written alike: 1.0 is 1, while true is not."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return value
