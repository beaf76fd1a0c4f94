"""A JSON Schema that somebody wrote by hand: accepted once, enforced on every value.

The schema may use the dialects 2020-12 (also where it names none), 2019-09 and draft-07, and
references inside itself; nothing is ever fetched (2026-07-28, basic/index#json-schema-usage). The
words for what is wrong are shared with ``problems``. What checking may cost is `budgets`.

Whose schema it is makes a difference for patterns: Python's `re` takes for ever where a pattern is
made for that. Those of a stranger are matched in linear time, or not at all.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError as UnusablePattern
from pydantic_core import SchemaValidator
from pydantic_core import ValidationError as NoMatch
from pydantic_core.core_schema import str_schema
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT201909, DRAFT202012

from .. import problems
from . import budgets

_extend: Any = extend  # it has no types


def _pattern(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """A stranger's pattern, matched in linear time; one that cannot be says nothing."""
    if validator.is_type(instance, "string") and not _matches(value, instance):
        yield ValidationError("does not match its pattern")


def _matches(pattern: str, text: str) -> bool:
    found = _linear(pattern)
    try:
        return found is None or found.validate_python(text) is not None
    except NoMatch:
        return False


@lru_cache(maxsize=256)
def _linear(pattern: str) -> SchemaValidator | None:
    """A matcher that never goes back, which is what Rust's are; None for what needs to."""
    try:
        return SchemaValidator(str_schema(pattern=pattern, regex_engine="rust-regex"))
    except UnusablePattern:
        return None


#: Patterns for names that `re` may be given, whoever wrote them: no more than one thing repeats.
_HARMLESS: Final = re.compile(r"\^?[\w\- /:@]*(\.\*)?\$?", re.ASCII)


def _leave_out_traps(schemas: list[dict[str, Any]]) -> None:
    """Take out patterns for names that `jsonschema` would give to `re`, and what counts on them."""
    trapped = [each for each in schemas if not _is_harmless(each.get("patternProperties"))]
    for each in trapped:
        del each["patternProperties"]
        each.pop("additionalProperties", None)
    if trapped:
        for each in schemas:
            each.pop("unevaluatedProperties", None)


def _is_harmless(patterns: Any) -> bool:
    return not isinstance(patterns, dict) or all(map(_HARMLESS.fullmatch, patterns))


DEFAULT_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIALECTS: Final[Mapping[str, tuple[Any, Any]]] = {
    dialect: (
        {
            True: budgets.counting(validator),
            False: budgets.counting(_extend(validator, {"pattern": _pattern})),
        },
        specification,
    )
    for dialect, validator, specification in (
        (DEFAULT_DIALECT, jsonschema.Draft202012Validator, DRAFT202012),
        (
            "https://json-schema.org/draft/2019-09/schema",
            jsonschema.Draft201909Validator,
            DRAFT201909,
        ),
        ("http://json-schema.org/draft-07/schema", jsonschema.Draft7Validator, DRAFT7),
    )
}

# 2026-07-28, basic/index#composition-keyword-resource-use asks for bounds and leaves the figures.
DEEPEST = 64
MOST_SUBSCHEMAS = 5_000
#: A stranger's schema is looked at while others wait; the check of it takes 1 ms for each.
MOST_OF_A_STRANGER = 1_000
MOST_FORMS_SHOWN = 3


class InvalidSchema(ValueError):
    """A schema that is none, or cannot be enforced; the text begins with what it is called."""


class Checker:
    """A validator built once; ``problems`` gives the lines for one value.

    ``schema`` is the author's, word by word, in a copy that no later change of his reaches.
    ``named`` is what a message calls it, ``root`` what it calls the whole value, and ``member`` a
    name in it. ``is_own`` says that the schema was written by those who run this process.
    """

    __slots__ = ("_member", "_root", "_validator", "schema")

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        named: str = "The input schema",
        root: str = "arguments",
        member: str = "an argument",
        is_own: bool = True,
    ) -> None:
        """Raises InvalidSchema."""
        self._root, self._member = root, member
        try:
            self.schema, self._validator = _accepted(schema, is_own)
        except _Refused as refusal:
            raise InvalidSchema(f"{named} {refusal}") from refusal.__cause__

    def problems(self, value: Any) -> list[str]:
        """What is wrong with ``value``, a line each; an empty list when it fits.

        Looking stops with the most that is shown, and where it takes more steps than a check may.
        """
        try:
            return self.found(value)
        except budgets.Spent:
            line = "are too complex to be checked; send less, or less deeply nested"
        except RecursionError:
            line = "are nested too deep to be checked"
        return [f"{self._root}: {line}"]

    def found(self, value: Any) -> list[str]:
        """The same; raises Spent or RecursionError where checking takes too much."""
        with budgets.spending():
            found = self._validator.iter_errors(value)
            errors = sorted(islice(found, problems.MOST_PROBLEMS + 1), key=_position)
        words = _Words(value, self._root, self._member)
        lines: dict[str, None] = {}
        for line in (line for error in errors for line in words.lines(error)):
            lines.setdefault(line)
            if len(lines) > problems.MOST_PROBLEMS:
                return [*list(lines)[: problems.MOST_PROBLEMS], "and more"]
        return list(lines)


# ------------------------------------------------------------------------------------- acceptance


class _Refused(Exception):
    """Why a schema is not accepted: the rest of a sentence that begins with what it is called."""


def _accepted(schema: dict[str, Any], is_own: bool) -> tuple[dict[str, Any], Any]:
    """A copy of the schema, and the validator of it."""
    _check_size(schema, MOST_SUBSCHEMAS if is_own else MOST_OF_A_STRANGER)
    kinds, specification = _dialect(schema)
    validator = kinds[is_own]
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        path = problems.path_of(tuple(error.absolute_path), schema, root="")
        place = f" at {path}" if path else ""
        raise _Refused(f"is not valid{place}: {_short(error.message)}.") from error
    except RecursionError as error:
        raise _Refused("is nested too deep.") from error
    enforced = copy.deepcopy(schema)
    reached = list(_check_references(enforced, specification))
    for each in reached:
        _settle_dialect(each, schema.get("$schema", DEFAULT_DIALECT))
    if not is_own:
        _leave_out_traps(reached)
    return copy.deepcopy(schema), validator(enforced, registry=Registry())


def _check_size(schema: Any, most: int) -> None:
    """Bounds first, so that nothing after this meets a schema without an end."""
    count = 0
    waiting = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        count += isinstance(node, dict)
        if depth > DEEPEST or count > most:
            raise _Refused(
                f"is too large: at most {DEEPEST} levels and {most} objects are checked on a call."
            )
        if isinstance(node, dict):
            waiting.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            waiting.extend((child, depth + 1) for child in node)
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _Refused(f"is not JSON ({error}).") from error


def _dialect(schema: Any) -> tuple[Any, Any]:
    named = schema.get("$schema", DEFAULT_DIALECT) if isinstance(schema, dict) else DEFAULT_DIALECT
    found = DIALECTS.get(named.rstrip("#")) if isinstance(named, str) else None
    if found is None:
        raise _Refused(
            f"is written in {named!r}, which is not supported: use one of {', '.join(DIALECTS)}, "
            "or leave $schema out for the first of them."
        )
    return found


def _check_references(schema: dict[str, Any], specification: Any) -> Iterator[dict[str, Any]]:
    """Every reference leads to a place in the schema itself, and no chain of them is endless.

    Gives every schema in ``schema`` that calls can come to.
    """
    resource = specification.create_resource(schema)
    root: Any = Registry().resolver_with_root(resource)
    waiting = [(resource, root)]
    seen: set[int] = set()
    while waiting:
        current, resolver = waiting.pop()
        if id(current.contents) in seen:
            continue
        seen.add(id(current.contents))
        if not isinstance(current.contents, dict):
            continue
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            reference = current.contents.get(keyword)
            if isinstance(reference, str):
                target = _follow(reference, resolver)
                waiting.append((specification.create_resource(target.contents), target.resolver))
        _check_chain(current.contents, resolver)
        waiting.extend((each, resolver.in_subresource(each)) for each in current.subresources())
        yield current.contents


def _settle_dialect(schema: dict[str, Any], dialect: str) -> None:
    """Take out the name of the dialect: ``jsonschema`` would go on with a validator of its own,
    which counts no steps."""
    named = schema.pop("$schema", dialect)
    if isinstance(named, str) and named.rstrip("#") != dialect.rstrip("#"):
        raise _Refused(
            f"holds one that is written in {named!r}, and is itself in {dialect!r}: write all of "
            "it in one dialect."
        )


def _follow(reference: str, resolver: Any) -> Any:
    try:
        return resolver.lookup(reference)
    except Unresolvable as error:
        raise _Refused(
            f'refers to "{reference}", which is not inside it: nothing is fetched from elsewhere, '
            'so put that schema under "$defs" and refer to "#/$defs/…".'
        ) from error


def _check_chain(contents: dict[str, Any], resolver: Any) -> None:
    visited: set[int] = set()
    while isinstance(reference := contents.get("$ref"), str):
        if id(contents) in visited:
            raise _Refused(f'refers to "{reference}" in a circle that never says anything.')
        visited.add(id(contents))
        target = _follow(reference, resolver)
        if not isinstance(target.contents, dict):
            return
        contents, resolver = target.contents, target.resolver


# ------------------------------------------------------------------------------------------ calls


class _Words:
    """What is wrong with one value, in lines."""

    def __init__(self, value: Any, root: str, member: str) -> None:
        self._value = value
        self._root = root
        self._member = member

    def lines(self, error: ValidationError, depth: int = 0) -> Iterator[str]:
        location = tuple(error.absolute_path)
        instance: Any = error.instance
        schema: Any = error.schema
        value: Any = error.validator_value
        if error.validator == "required":
            for name in value:
                if name not in instance:
                    where = self._path((*location, name), missing=True)
                    yield f"{where}: {problems.missing(schema.get('properties', {}).get(name))}"
        elif error.validator == "additionalProperties" and value is False:
            for name in _extras(instance, schema):
                known = schema.get("properties", {})
                said = problems.unknown(name, known, self._member)
                yield f"{self._path((*location, name))}: {said}"
        else:
            path = self._path(location)
            yield f"{path}: {self._expectation(error, depth)}; got {problems.shown(instance)}"

    def _path(self, location: tuple[str | int, ...], missing: bool = False) -> str:
        return problems.path_of(location, self._value, missing=missing, root=self._root)

    def _expectation(self, error: ValidationError, depth: int) -> str:
        say = _WORDS.get(str(error.validator))
        if say is not None:
            return say(error.validator_value)
        if error.context:
            # Forms that are made of forms are not unfolded further: it reads badly, and doubles.
            lines = (line for each in error.context for line in self.lines(each, depth + 1))
            forms = [] if depth else list(islice(lines, MOST_FORMS_SHOWN))
            return f"fits none of the allowed forms{f' ({_OR.join(forms)})' if forms else ''}"
        return _short(error.message)


_OR: Final = " | "


def _extras(instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """The names that neither ``properties`` nor ``patternProperties`` has."""
    patterns = list(schema.get("patternProperties", {}))
    known = schema.get("properties", {})
    for name in instance:
        if name not in known and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _type(value: str | list[str]) -> str:
    names = [value] if isinstance(value, str) else value
    return f"should be {' or '.join(problems.TYPE_NAMES.get(name, name) for name in names)}"


_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "type": _type,
    "enum": lambda values: f"should be {' or '.join(problems.shown(each) for each in values)}",
    "const": lambda value: f"should be {problems.shown(value)}",
    "minimum": lambda value: f"should be at least {value}",
    "maximum": lambda value: f"should be at most {value}",
    "exclusiveMinimum": lambda value: f"should be more than {value}",
    "exclusiveMaximum": lambda value: f"should be less than {value}",
    "multipleOf": lambda value: f"should be a multiple of {value}",
    "minLength": lambda value: f"should have at least {value} characters",
    "maxLength": lambda value: f"should have at most {value} characters",
    "minItems": lambda value: f"should have at least {value} items",
    "maxItems": lambda value: f"should have at most {value} items",
    "minProperties": lambda value: f"should have at least {value} members",
    "maxProperties": lambda value: f"should have at most {value} members",
    "uniqueItems": lambda _: "should have no item twice",
    "pattern": lambda value: f"should match the pattern {value}",
}


def _position(error: ValidationError) -> list[str]:
    return [str(step) for step in error.absolute_path]


def _short(message: str) -> str:
    limit = 4 * problems.LONGEST_VALUE
    return message if len(message) <= limit else message[: limit - 1] + "…"
