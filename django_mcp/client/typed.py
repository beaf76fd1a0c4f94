"""A JSON value → Python values, as far as its JSON Schema says which.

Owns what a format becomes, what an object becomes, and which schemas only wrap one value. Whether
the value fits the schema at all is not asked here: what does not, stays as it came. The schema is
somebody else's, so nothing is made of it but functions, to a depth and a number that are bounded.

Source: JSON Schema 2020-12, validation, section 7.3 (formats).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic import TypeAdapter

Reader: TypeAlias = Callable[[Any], Any]

#: Levels of a schema that are followed, and schemas in it; what lies beyond is plain JSON.
DEEPEST: Final = 32
MOST: Final = 2_000
#: Levels of one value that are read: a schema that contains itself has no end of its own.
DEEPEST_VALUE: Final = 100

_duration: TypeAdapter[timedelta] = TypeAdapter(timedelta)

_FORMATS: Final[Mapping[str, Callable[[str], Any]]] = {
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "duration": _duration.validate_python,
    "uuid": UUID,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
}

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Record:
    """An object whose members are read as attributes, `record.name`, or as `record["a name"]`.

    A member that the schema knows and the value lacks is its default, or None. `dict(record)` has
    those that came. It is equal to a record, or a dict, with the same members.
    """

    __slots__ = ("__defaults", "__members")

    def __init__(self, members: dict[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "_Record__members", members)
        object.__setattr__(self, "_Record__defaults", defaults or {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"There is no {name!r}: there are {self._names()}.") from None

    def __getitem__(self, name: str) -> Any:
        if name in self.__members:
            return self.__members[name]
        return self.__defaults[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("What a server answered is not changed: make a dict of it first.")

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.__members.items())

    def __contains__(self, name: object) -> bool:
        return name in self.__members

    def __len__(self) -> int:
        return len(self.__members)

    def __eq__(self, other: object) -> bool:
        members: object = other.__members if isinstance(other, Record) else other
        return bool(self.__members == members)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Record({', '.join(f'{name}={value!r}' for name, value in self)})"

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.__defaults, *self.__members]

    def __reduce__(self) -> tuple[Any, ...]:
        return Record, (self.__members, self.__defaults)

    def _names(self) -> str:
        return ", ".join({**self.__defaults, **self.__members}) or "none"


def reader_of(schema: Mapping[str, Any]) -> Reader:
    """What makes Python values of the values of `schema`; it never raises."""
    return _Compiler(schema).read


def unwrapped(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of the only value that an object of `schema` holds, its `result`.

    Revisions before 2026-07-28 have objects only, so servers put anything else into one like that.
    None where `schema` is of another kind.
    """
    properties = schema.get("properties")
    if (
        schema.get("type") != "object"
        or not isinstance(properties, dict)
        or list(properties) != ["result"]
        or schema.get("required") != ["result"]
        or isinstance(schema.get("additionalProperties"), dict)
    ):
        return None
    inner = properties["result"]
    rest = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return {**inner, **rest} if isinstance(inner, dict) else rest


class _Compiler:
    """One schema, and the functions made of its parts. A part that is met again is made once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._made: dict[int, Reader] = {}
        self._left = MOST
        self._depth = 0
        self._reader = self._make(schema, 0)

    def read(self, value: Any) -> Any:
        return self._reader(value)

    def _make(self, schema: Any, depth: int) -> Reader:
        if not isinstance(schema, dict) or depth > DEEPEST:
            return _as_it_is
        if id(schema) in self._made:
            return self._made[id(schema)]
        self._left -= 1
        if self._left < 0:
            return _as_it_is
        # Whoever asks for it while it is made gets one that asks again when it is used.
        self._made[id(schema)] = lambda value: self._made[id(schema)](value)
        made = self._guarded(self._kind(schema, depth + 1))
        self._made[id(schema)] = made
        return made

    def _guarded(self, read: Reader) -> Reader:
        if read is _as_it_is:
            return read

        def guarded(value: Any) -> Any:
            if self._depth >= DEEPEST_VALUE:
                return value
            self._depth += 1
            try:
                return read(value)
            finally:
                self._depth -= 1

        return guarded

    def _kind(self, schema: dict[str, Any], depth: int) -> Reader:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._make(self._target(reference), depth)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(arms := schema.get(keyword), list):
                return self._choice(arms, depth)
        if isinstance(parts := schema.get("allOf"), list) and len(parts) == 1:
            return self._make(parts[0], depth)
        if (convert := _FORMATS.get(str(schema.get("format")))) is not None:
            return _text(convert)
        if isinstance(schema.get("properties"), dict):
            return self._record(schema, depth)
        if isinstance(values := schema.get("additionalProperties"), dict):
            return _mapping(self._make(values, depth))
        if isinstance(items := schema.get("items"), dict) or "prefixItems" in schema:
            first = schema.get("prefixItems")
            firsts = [self._make(each, depth) for each in first] if isinstance(first, list) else []
            return _array(firsts, self._make(items, depth))
        return _as_it_is

    def _target(self, reference: str) -> Any:
        """The place inside the schema itself that a reference leads to; None for elsewhere."""
        if not reference.startswith("#"):
            return None
        found: Any = self._root
        for step in reference[1:].split("/")[1:]:
            if not isinstance(found, dict):
                return None
            found = found.get(step.replace("~1", "/").replace("~0", "~"))
        return found

    def _record(self, schema: dict[str, Any], depth: int) -> Reader:
        properties = schema["properties"]
        readers = {name: self._make(each, depth) for name, each in properties.items()}
        other = self._make(schema.get("additionalProperties"), depth)
        defaults = {
            name: each.get("default") if isinstance(each, dict) else None
            for name, each in properties.items()
        }

        def read(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            members = {name: readers.get(name, other)(each) for name, each in value.items()}
            return Record(members, defaults)

        return read

    def _choice(self, arms: list[Any], depth: int) -> Reader:
        readers = [
            (_Shape(self._followed(arm)), self._make(arm, depth))
            for arm in arms
            if isinstance(arm, dict)
        ]

        def read(value: Any) -> Any:
            plain: Any = value
            for shape, reader in readers:
                if shape.fits(value):
                    plain = reader(value)
                    # A text in none of the formats so far may be in that of another arm.
                    if plain is not value or not isinstance(value, str):
                        return plain
            return plain

        return read

    def _followed(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(DEEPEST):
            reference = schema.get("$ref")
            target = self._target(reference) if isinstance(reference, str) else None
            if not isinstance(target, dict):
                break
            schema = target
        return schema


class _Shape:
    """What tells the arms of a choice apart: type, names that must be there, constants."""

    def __init__(self, schema: dict[str, Any]) -> None:
        kinds = schema.get("type")
        names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
        self._types = tuple(kind for name in names for kind in _TYPES.get(str(name), ()))
        required = schema.get("required")
        self._required = frozenset(map(str, required)) if isinstance(required, list) else ()
        properties = schema.get("properties")
        self._constants = {
            name: each["const"]
            for name, each in (properties.items() if isinstance(properties, dict) else ())
            if isinstance(each, dict) and "const" in each
        }

    def fits(self, value: Any) -> bool:
        if self._types and not isinstance(value, self._types):
            return False
        if not isinstance(value, dict):
            return True
        return all(name in value for name in self._required) and all(
            value.get(name, constant) == constant for name, constant in self._constants.items()
        )


def _as_it_is(value: Any) -> Any:
    return value


def _text(convert: Callable[[str], Any]) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return convert(value)
        except ValueError:
            return value

    return read


def _mapping(member: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: member(each) for name, each in value.items()}

    return read


def _array(firsts: list[Reader], rest: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not firsts:
            return [rest(each) for each in value]
        return [
            (firsts[position] if position < len(firsts) else rest)(each)
            for position, each in enumerate(value)
        ]

    return read
