"""Conditions of a query: a tree of what the caller sent → a Q, each leaf looked up and checked.

`Where` is the tree. A leaf names a field, one of its lookups and a value, and nothing of it reaches
the database that has not been found among what is exposed. What a name leads to is `names`'s
business, and handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from ...protocol import problems
from ...server.errors import InvalidArguments
from .kinds import DATETIME, TEXT, Kind
from .terms import LONGEST

#: Levels of a tree, its leaves, and values of all its "in" together.
DEPTH: Final = 6
NODES: Final = 60
VALUES: Final = 500

#: The lookups there are at all; which of them a field has is asked of its kind.
LOOKUPS: Final = tuple(dict.fromkeys((*TEXT, *DATETIME, "isnull")))


class Where(BaseModel):
    """A condition: `field`, `lookup` and `value`, or one of `and`, `or` and `not` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    all_of: list[Where] | None = Field(default=None, alias="and", min_length=1)
    any_of: list[Where] | None = Field(default=None, alias="or", min_length=1)
    none_of: Where | None = Field(default=None, alias="not")
    field: str | None = Field(default=None, max_length=LONGEST)
    lookup: str = Field(default="exact", json_schema_extra={"enum": list(LOOKUPS)}, max_length=20)
    value: Any = Field(
        default=None, description="Of the field's type; a list for in, two for range"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What a name in a condition leads to: its kind, the lookups that are allowed, and what makes
    a condition of one of them and a value."""

    kind: Kind
    lookups: tuple[str, ...]
    condition: Callable[[str, Any], Q]


class Tree:
    """Makes a Q of a tree; `find` takes a name and its place, and raises for what there is not."""

    def __init__(self, tool: str, find: Callable[[str, str], Leaf]) -> None:
        self._tool, self._find = tool, find
        self._nodes = self._values = 0

    def condition(self, where: Where | None, place: str, depth: int = 0) -> Q:
        """Raises InvalidArguments, naming the place, for a tree that is too large, a name that
        leads nowhere, a lookup it does not have, and a value of another type."""
        if where is None:
            return Q()
        self._nodes += 1
        if depth == DEPTH or self._nodes > NODES:
            raise self.wrong(
                place, f"at most {DEPTH} levels and {NODES} conditions may be asked for"
            )
        found = Q()
        match self._form(where, place):
            case "and":
                for number, each in enumerate(where.all_of or ()):
                    found &= self.condition(each, f"{place}.and[{number}]", depth + 1)
            case "or":
                for number, each in enumerate(where.any_of or ()):
                    found |= self.condition(each, f"{place}.or[{number}]", depth + 1)
            case "not":
                found = ~self.condition(where.none_of, f"{place}.not", depth + 1)
            case _:
                found = self._leaf(where, place)
        return found

    def wrong(self, place: str, text: str) -> InvalidArguments:
        return InvalidArguments(self._tool, [f"{place}: {text}"])

    def _form(self, where: Where, place: str) -> str:
        given = where.model_fields_set
        names = {"all_of": "and", "any_of": "or", "none_of": "not", "field": "field"}
        forms = [name for own, name in names.items() if getattr(where, own) is not None]
        if len(forms) != 1 or (forms != ["field"] and given & {"lookup", "value"}):
            raise self.wrong(
                place, "should have field, lookup and value, or one of and, or and not alone"
            )
        return forms[0]

    def _leaf(self, where: Where, place: str) -> Q:
        leaf = self._find(where.field or "", f"{place}.field")
        if where.lookup not in leaf.lookups:
            there = ", ".join(leaf.lookups) or "none"
            raise self.wrong(
                f"{place}.lookup",
                f"{where.field} cannot be compared with {where.lookup}; lookups: {there}",
            )
        value = self._value(leaf.kind.argument(where.lookup), where.value, f"{place}.value")
        if isinstance(value, list):
            self._values += len(value)
            if self._values > VALUES:
                raise self.wrong(f"{place}.value", f"at most {VALUES} values in all lists together")
        return leaf.condition(where.lookup, value)

    def _value(self, annotation: Any, value: Any, place: str) -> Any:
        try:
            return TypeAdapter(annotation).validate_json(to_json(value), strict=True)
        except ValidationError as error:
            lines = problems.of_validation_error(error, value, {})
            # A value that is no object or list has no place of its own within.
            texts = [line.removeprefix("arguments") for line in lines]
            raise InvalidArguments(self._tool, [f"{place}{text}" for text in texts]) from None
