"""Unions that contain themselves in two ways at once: checking a small value can take for ever.

Pydantic tries every arm of a union that has no discriminator. Where two arms lead back to the union
by the same names, what is on the next level is checked twice, on the one after it four times, and a
call of 500 bytes keeps a process busy for hours. `schemas` refuses such a union at registration.
One arm that leads back is fine, and so are several that do by different names, or that a
discriminator tells apart.

Asked is the JSON Schema, in which pydantic writes ``anyOf`` for a plain union and ``oneOf`` for one
with a discriminator. It is read as an automaton: schemas are the states, the names of members are
the letters, and looked for is a state with two ways back to itself for one word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, TypeAlias

#: What leads from a value to a member of it: its kind, and its name or place; None for any.
Step: TypeAlias = tuple[str, str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguity:
    """Two arms of a union that both lead back to it by the member called `name`."""

    arms: tuple[str, str]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """An arm taken: which of which schema's, and whether the arms exclude each other."""

    schema: int
    arm: int
    exclusive: bool
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How checking a value leads to checking a member of it against the schema `target`."""

    choices: tuple[_Choice, ...]
    step: Step
    target: int


def ambiguity(schema: dict[str, Any]) -> Ambiguity | None:
    """Find a union in ``schema`` that contains itself in two ways at once."""
    if "$defs" not in schema:
        return None  # nothing contains itself
    ways = _all_ways(schema)
    for start, leaving in ways.items():
        within = _leading_to(start, ways)
        leaving = [way for way in leaving if way.target in within]
        seen: set[tuple[int, int]] = set()
        for one, other in combinations(leaving, 2):
            arms = _both_taken(one, other)
            if arms and _leads_back(start, one.target, other.target, ways, within, seen):
                name = next((way.step[1] for way in (one, other) if way.step[1] is not None), "[]")
                return Ambiguity(arms=arms, name=str(name))
    return None


def _leads_back(
    start: int,
    one: int,
    other: int,
    ways: dict[int, list[_Way]],
    within: set[int],
    seen: set[tuple[int, int]],
) -> bool:
    """Whether the same names lead from each of two schemas to `start`."""
    waiting = [(one, other)]
    while waiting:
        pair = waiting.pop()
        if pair == (start, start):
            return True
        if pair in seen:
            continue
        seen.add(pair)
        for first, second in product(*(ways[each] for each in pair)):
            if {first.target, second.target} <= within and _overlap(first.step, second.step):
                waiting.append((first.target, second.target))
    return False


def _both_taken(one: _Way, other: _Way) -> tuple[str, str] | None:
    """The arms in which two ways part, None where no value is checked on both."""
    if not _overlap(one.step, other.step):
        return None
    for first, second in zip(one.choices, other.choices, strict=False):
        if first != second:
            return None if first.exclusive else (first.label, second.label)
    # Of the members of one object, or one array, each has its own schema.
    return None


def _overlap(one: Step, other: Step) -> bool:
    return one[0] == other[0] and (one[1] == other[1] or None in (one[1], other[1]))


def _leading_to(start: int, ways: dict[int, list[_Way]]) -> set[int]:
    """The schemas from which a way leads to `start`."""
    before: dict[int, set[int]] = {}
    for number, leaving in ways.items():
        for way in leaving:
            before.setdefault(way.target, set()).add(number)
    found: set[int] = set()
    waiting = [start]
    while waiting:
        new = before.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def _all_ways(root: dict[str, Any]) -> dict[int, list[_Way]]:
    """The ways from each schema in ``root``; schemas are known by their id()."""
    definitions = root["$defs"]
    ways: dict[int, list[_Way]] = {}
    waiting: list[Any] = [root]
    while waiting:
        schema = waiting.pop()
        if id(schema) in ways:
            continue
        ways[id(schema)] = []
        for choices, step, member in _members(schema, definitions, ()):
            way = _Way(choices=choices, step=step, target=id(member))
            ways[id(schema)].append(way)
            waiting.append(member)
    return ways


def _members(
    schema: Any, definitions: dict[str, Any], choices: tuple[_Choice, ...]
) -> Iterator[tuple[tuple[_Choice, ...], Step, Any]]:
    """What a value's members are checked against, with the arms taken before that."""
    if not isinstance(schema, dict) or any(each.schema == id(schema) for each in choices):
        return
    steps: list[tuple[Step, Any]] = [
        *((("member", name), each) for name, each in schema.get("properties", {}).items()),
        *((("member", None), each) for each in schema.get("patternProperties", {}).values()),
        (("member", None), schema.get("additionalProperties")),
        *((("item", place), each) for place, each in enumerate(schema.get("prefixItems", []))),
        (("item", None), schema.get("items")),
    ]
    for step, member in steps:
        yield choices, step, _resolved(member, definitions)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for number, arm in enumerate(schema.get(keyword, [])):
            choice = _Choice(
                schema=id(schema),
                arm=number,
                exclusive=keyword == "oneOf",
                label=_label(arm),
            )
            yield from _members(_resolved(arm, definitions), definitions, (*choices, choice))


def _resolved(schema: Any, definitions: dict[str, Any]) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        schema = definitions.get(schema["$ref"].removeprefix("#/$defs/"))
    return schema


def _label(arm: dict[str, Any]) -> str:
    """What an arm is called: the name of its class, or its type in JSON."""
    return str(arm.get("$ref", arm.get("type", "anything"))).removeprefix("#/$defs/")
