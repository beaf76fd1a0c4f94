"""A JSON Schema that an author wrote by hand: accepted once, enforced on every call.

``Checker`` is what ``schemas.RawArguments`` works with. The schema may use the dialects 2020-12
(also where it names none), 2019-09 and draft-07, and references inside itself; nothing is ever
fetched (2026-07-28, basic/index#json-schema-usage). The words for what is wrong are shared with
``problems``. Importing this module costs what importing ``jsonschema`` costs, 35 ms, so ``schemas``
does it when a schema of this kind turns up. What checking may cost is `budgets`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT201909, DRAFT202012

from . import budgets, problems
from .errors import RegistrationError

DEFAULT_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIALECTS: Final[Mapping[str, tuple[Any, Any]]] = {
    dialect: (budgets.counting(validator), specification)
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
MOST_FORMS_SHOWN = 3


class Checker:
    """A validator built once; ``problems`` gives the lines for one call's arguments.

    ``schema`` is the author's, word by word, in a copy that no later change of his reaches.
    """

    __slots__ = ("_validator", "schema")

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises RegistrationError for a schema that is none or cannot be enforced here."""
        _check_size(schema)
        validator, specification = _dialect(schema)
        _check_object(schema)
        try:
            validator.check_schema(schema)
        except SchemaError as error:
            path = problems.path_of(tuple(error.absolute_path), schema)
            place = "" if path == "arguments" else f" at {path}"
            raise RegistrationError(
                f"The input schema is not valid{place}: {_short(error.message)}."
            ) from error
        self.schema = copy.deepcopy(schema)
        enforced = copy.deepcopy(schema)
        for each in _check_references(enforced, specification):
            _settle_dialect(each, schema.get("$schema", DEFAULT_DIALECT))
        self._validator = validator(enforced, registry=Registry())

    def problems(self, arguments: dict[str, Any]) -> list[str]:
        """What is wrong with ``arguments``, a line each; an empty list when they fit.

        Looking stops with the most that is shown, and where it takes more steps than a call may.
        """
        try:
            with budgets.spending():
                found = self._validator.iter_errors(arguments)
                errors = sorted(islice(found, problems.MOST_PROBLEMS + 1), key=_position)
        except budgets.Spent:
            return ["arguments: are too complex to be checked; send less, or less deeply nested"]
        except RecursionError:
            return ["arguments: are nested too deep to be checked"]
        lines: dict[str, None] = {}
        for line in (line for error in errors for line in _lines(error, arguments)):
            lines.setdefault(line)
            if len(lines) > problems.MOST_PROBLEMS:
                return [*list(lines)[: problems.MOST_PROBLEMS], "and more"]
        return list(lines)


# ---------------------------------------------------------------------------------- registration


def _check_size(schema: Any) -> None:
    """Bounds first, so that nothing after this meets a schema without an end."""
    count = 0
    waiting = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        count += isinstance(node, dict)
        if depth > DEEPEST or count > MOST_SUBSCHEMAS:
            raise RegistrationError(
                f"The input schema is too large: at most {DEEPEST} levels and {MOST_SUBSCHEMAS} "
                "objects are checked on a call."
            )
        if isinstance(node, dict):
            waiting.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            waiting.extend((child, depth + 1) for child in node)
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RegistrationError(f"The input schema is not JSON ({error}).") from error


def _dialect(schema: Any) -> tuple[Any, Any]:
    named = schema.get("$schema", DEFAULT_DIALECT) if isinstance(schema, dict) else DEFAULT_DIALECT
    found = DIALECTS.get(named.rstrip("#")) if isinstance(named, str) else None
    if found is None:
        raise RegistrationError(
            f"The input schema is written in {named!r}, which is not supported: use one of "
            f"{', '.join(DIALECTS)}, or leave $schema out for the first of them."
        )
    return found


def _check_object(schema: Any) -> None:
    """Arguments are an object (2026-07-28, server/tools#tool)."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind != "object":
        raise RegistrationError(
            f"The input schema has the type {kind!r}: a tool's arguments are an object, so write "
            '"type": "object" at its root.'
        )


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
        raise RegistrationError(
            f"The input schema holds one that is written in {named!r}, and is itself in "
            f"{dialect!r}: write all of it in one dialect."
        )


def _follow(reference: str, resolver: Any) -> Any:
    try:
        return resolver.lookup(reference)
    except Unresolvable as error:
        raise RegistrationError(
            f'The input schema refers to "{reference}", which is not inside it: nothing is fetched '
            'from elsewhere, so put that schema under "$defs" and refer to "#/$defs/…".'
        ) from error


def _check_chain(contents: dict[str, Any], resolver: Any) -> None:
    visited: set[int] = set()
    while isinstance(reference := contents.get("$ref"), str):
        if id(contents) in visited:
            raise RegistrationError(
                f'The input schema refers to "{reference}" in a circle that never says anything.'
            )
        visited.add(id(contents))
        target = _follow(reference, resolver)
        if not isinstance(target.contents, dict):
            return
        contents, resolver = target.contents, target.resolver


# ------------------------------------------------------------------------------------------ calls


def _lines(error: ValidationError, arguments: Any, depth: int = 0) -> Iterator[str]:
    location = tuple(error.absolute_path)
    instance: Any = error.instance
    schema: Any = error.schema
    value: Any = error.validator_value
    if error.validator == "required":
        for name in value:
            if name not in instance:
                where = problems.path_of((*location, name), arguments, missing=True)
                yield f"{where}: {problems.missing(schema.get('properties', {}).get(name))}"
    elif error.validator == "additionalProperties" and value is False:
        for name in _extras(instance, schema):
            where = problems.path_of((*location, name), arguments)
            yield f"{where}: {problems.unknown(name, schema.get('properties', {}))}"
    else:
        path = problems.path_of(location, arguments)
        yield f"{path}: {_expectation(error, arguments, depth)}; got {problems.shown(instance)}"


def _expectation(error: ValidationError, arguments: Any, depth: int) -> str:
    say = _WORDS.get(str(error.validator))
    if say is not None:
        return say(error.validator_value)
    if error.context:
        # Forms that are made of forms are not unfolded further: it reads badly, and doubles.
        lines = (line for each in error.context for line in _lines(each, arguments, depth + 1))
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
