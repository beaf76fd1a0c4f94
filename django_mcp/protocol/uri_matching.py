"""Matching for ``uri_templates``: the parts a template falls into, and how a URI falls into them.

This module owns the search and what each part reads. The syntax, the operators of RFC 6570 and the
rules of matching, as its users know them, belong to ``uri_templates``.

A set of places in the URI is an integer: bit r stands for the place that has r characters after
it. One pass from the end computes, for each part, the places from which it and all later parts
match; one pass from the start takes the shortest way through them. Each step is a handful of
operations on whole integers, so that no URI makes the search go back and forth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

Value: TypeAlias = str | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A variable where it stands: with ``*`` if ``explode``, with ``:N`` if ``limit`` is N."""

    name: str
    explode: bool = False
    limit: int | None = None


def fit(parts: Sequence[Part], raw: bytes, start: int) -> dict[str, Value] | None:
    """The values in a URI made ``normal``, whose first ``start`` characters are dealt with."""
    subject = _Subject(raw)
    laters = [_THE_END]
    for part in reversed(parts):
        laters.append(part.before(laters[-1], subject))
        if not laters[-1]:
            return None
    remaining = len(raw) - start
    if not laters.pop() >> remaining & 1:
        return None
    findings = _Findings()
    for part in parts:
        place, remaining = len(raw) - remaining, part.rest(remaining, laters.pop())
        if not findings.agree(part.read(raw[place : len(raw) - remaining])):
            return None
    return findings.values()


_THE_END = 1

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def normal(text: str) -> bytes | None:
    """The URI as ASCII, every percent sign part of an upper-case triplet; None if it is no text."""
    if "%" in text:
        text = _STRAY_PERCENT.sub("%25", text)
        text = _TRIPLET.sub(lambda triplet: triplet[0].upper(), text)
    try:
        return quote(text, safe=_PRINTABLE).encode("ascii")
    except UnicodeEncodeError:
        return None


def _decode(raw: bytes) -> str | None:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


class _Subject:
    """The URI under the match, and the sets of places in it that have been asked for."""

    __slots__ = ("_sets", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._sets: dict[bytes | Literal, int] = {}

    def before_any(self, table: bytes) -> int:
        """The places before a character to which the table gives a 1."""
        if table not in self._sets:
            self._sets[table] = _as_set(self.raw.translate(table))
        return self._sets[table]

    def before_literal(self, literal: Literal) -> int:
        """The places where the literal stands, and is not a part of something else."""
        if literal not in self._sets:
            self._sets[literal] = _as_set(self._marked(literal))
        return self._sets[literal]

    def _marked(self, literal: Literal) -> bytearray:
        raw, text = self.raw, literal.text
        marks = bytearray(b"0") * len(raw)
        place = raw.find(text)
        while place >= 0:
            end = place + len(text)
            inside_triplet = b"%" in raw[max(place - 2, 0) : place]
            if not inside_triplet and not (literal.whole and raw[end : end + 1] in _NAME_BYTES):
                marks[place] = ord("1")
            place = raw.find(text, place + 1)
        return marks


def _as_set(marks: bytes | bytearray) -> int:
    return int(marks, 2) << 1 if marks else 0


@lru_cache
def _table(characters: str, *, marked: bool) -> bytes:
    """A table for bytes.translate(): 1 for these characters if ``marked``, else for all others."""
    return bytes(ord("0") + ((chr(code) in characters) == marked) for code in range(256))


def _before_run(later: int, allowed: int) -> int:
    """The places from which one allowed character or more lead to a place of ``later``.

    An addition carries through a run of ones: it turns all of them over, from the place where one
    is added to the end of the run.
    """
    starts = (later << 1) & allowed
    return (((allowed + starts) ^ allowed) | starts) & allowed


def _first_below(places: int, remaining: int) -> int:
    return (places & ((1 << remaining) - 1)).bit_length() - 1


# What a part has read: the values of its variables, None for one that cannot be decoded.
_Reading: TypeAlias = list[tuple[Spec, Value | None]]


@dataclass(frozen=True, slots=True)
class Literal:
    """Fixed text; a ``whole`` one is not the start of a longer name."""

    text: bytes
    whole: bool = False

    def before(self, later: int, subject: _Subject) -> int:
        return subject.before_literal(self) & (later << len(self.text))

    def rest(self, remaining: int, later: int) -> int:
        return remaining - len(self.text)

    def read(self, raw: bytes) -> _Reading | None:
        return []


@dataclass(frozen=True, slots=True)
class Single:
    """One character or more that ``stop`` does not hold: a value, or a list of values."""

    spec: Spec
    stop: str

    @property
    def specs(self) -> tuple[Spec, ...]:
        return (self.spec,)

    def before(self, later: int, subject: _Subject) -> int:
        return _before_run(later, subject.before_any(_table(self.stop, marked=False)))

    def rest(self, remaining: int, later: int) -> int:
        return _first_below(later, remaining)

    def read(self, raw: bytes) -> _Reading | None:
        value = _decode_all(raw.split(b",")) if self.spec.explode else _decode(raw)
        return [(self.spec, value)]


@dataclass(frozen=True, slots=True)
class Block:
    """Nothing, or the character ``lead`` and then any that ``stop`` does not hold."""

    lead: str
    stop: str
    specs: tuple[Spec, ...]

    def before(self, later: int, subject: _Subject) -> int:
        inside = later | _before_run(later, subject.before_any(_table(self.stop, marked=False)))
        return later | (inside << 1) & subject.before_any(_table(self.lead, marked=True))

    def rest(self, remaining: int, later: int) -> int:
        return _first_below(later, remaining + 1)

    def read(self, raw: bytes) -> _Reading | None:
        raise NotImplementedError


class PathParameter(Block):
    """What follows the name in ``{;a}``."""

    __slots__ = ()

    def read(self, raw: bytes) -> _Reading | None:
        return [(self.specs[0], _decode(raw[1:]))]


class Items(Block):
    """``{.a*}`` or ``{/a*}``."""

    __slots__ = ()

    def read(self, raw: bytes) -> _Reading | None:
        items = raw[1:].split(self.lead.encode()) if raw else []
        return [(self.specs[0], _decode_all(items))]


class NamedItems(Block):
    """``{;a*}``."""

    __slots__ = ()

    def read(self, raw: bytes) -> _Reading | None:
        pairs = [item.partition(b"=") for item in raw[1:].split(b";")] if raw else []
        name = _name(self.specs[0])
        if any(_decode(found) != name for found, _, _ in pairs):
            return None
        return [(self.specs[0], _decode_all([value for _, _, value in pairs]))]


class Query(Block):
    """``{?a,b}`` or ``{&a,b}``, and what ``{&c}`` adds right after."""

    __slots__ = ()

    def read(self, raw: bytes) -> _Reading | None:
        found: dict[str | None, list[bytes]] = {}
        for pair in raw[1:].split(b"&"):
            name, _, value = pair.partition(b"=")
            found.setdefault(_decode(name), []).append(value)
        reading: _Reading = []
        for spec in self.specs:
            values = found.get(_name(spec)) if raw else None
            if values:
                reading.append((spec, _decode_all(values) if spec.explode else _decode(values[0])))
        return reading


Part: TypeAlias = Literal | Single | Block

_NAME_BYTES = frozenset(
    bytes([code]) for code in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.%"
)


def _decode_all(items: list[bytes]) -> list[str] | None:
    decoded = [text for item in items if (text := _decode(item)) is not None]
    return decoded if len(decoded) == len(items) else None


def _name(spec: Spec) -> str | None:
    return _decode(spec.name.encode())


class _Findings:
    """The values read so far; a variable that comes again has to agree with itself."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, tuple[Value, int | None]] = {}

    def agree(self, reading: _Reading | None) -> bool:
        if reading is None:
            return False
        return all(self._add(spec, value) for spec, value in reading)

    def values(self) -> dict[str, Value]:
        return {name: value for name, (value, _) in self._found.items()}

    def _add(self, spec: Spec, value: Value | None) -> bool:
        if value is None or (spec.limit is not None and len(value) > spec.limit):
            return False
        known, limit = self._found.setdefault(spec.name, (value, spec.limit))
        if limit is not None and (spec.limit is None or spec.limit > limit):
            # The new value is the longer reading.
            self._found[spec.name] = (value, spec.limit)
            return value[:limit] == known
        return known[: spec.limit] == value
