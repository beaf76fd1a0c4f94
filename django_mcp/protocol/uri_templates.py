"""URI templates: RFC 6570 in full for expanding, and its inverse for matching.

This module owns the syntax and the two directions. Which template answers a URI is decided by
``server.registry``; what a matched value may do (paths, above all) by whoever uses it: a decoded
``%2F`` is part of a value.

RFC 6570 leaves matching open (section 1.4). Here:

* ``{a}`` matches one character or more, none of them ``/ ? #``; ``{/a}`` likewise, after a ``/``;
  ``{.a}`` neither matches a dot; ``{+a}`` and ``{#a}`` match any characters.
* ``{;a}`` matches ``;a`` and ``;a=value``, where the value may be empty.
* ``{?a,b}`` and ``{&a,b}`` match in any order, all of them optional and left out of the result if
  absent; of an ``a`` that comes twice the first counts; other parameters are passed over.
* With ``*`` a value is the list of what the operator's separator separates: ``{/path*}`` reads
  ``/a/b`` as ``["a", "b"]`` and nothing as ``[]``; ``{?a*}`` collects every ``a``.
* With ``:N`` a value has at most N characters.
* A variable that stands twice must have the same value twice, or the start of it under ``:N``.
* Values are percent-decoded; one that is not UTF-8 does not match. Upper and lower case of a
  percent-encoding, and a character and its encoding where it must be encoded, are the same.
* Where several readings are possible, the leftmost variable is as short as the rest of the template
  allows: ``{a}-{b}`` reads ``x-y-z`` as ``x`` and ``y-z``, and ``{+dir}/{name}`` reads ``a/b/c`` as
  ``a/b`` and ``c``. A reading that exists is found; only then are ``:N``, repetitions and the names
  in ``{;a*}`` looked at.
* Two expressions with nothing to tell where one ends are refused with the template: ``{a}{b}``.

How a match is found, in time proportional to the length of the URI, belongs to ``uri_matching``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from .uri_matching import (
    Block,
    Items,
    Literal,
    NamedItems,
    Part,
    PathParameter,
    Query,
    Single,
    Spec,
    Value,
    fit,
    normal,
)

MAX_TEMPLATE = 8_192
MAX_VARIABLES = 256
MAX_URI = 65_536


class InvalidTemplate(ValueError):
    """The template breaks the syntax of RFC 6570, or could not be matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a template: ``optional`` if a URI may lack it, ``explode`` if it is a list."""

    name: str
    optional: bool = False
    explode: bool = False


class UriTemplate:
    """A template, checked once, that is matched and expanded many times.

    Raises ``InvalidTemplate`` for a template that is malformed, ambiguous as ``{a}{b}`` is, longer
    than 8192 characters, or of more than 256 variables.
    """

    __slots__ = ("_parts", "_pieces", "_prefix", "template", "variables")

    def __init__(self, template: str) -> None:
        self.template = template
        self._pieces = tuple(_pieces(template))
        self.variables = _variables(self._pieces)
        parts = _parts(self._pieces)
        # What every URI starts with decides most matches, at the price of one comparison.
        self._prefix = b""
        if parts and isinstance(first := parts[0], Literal) and not first.whole:
            self._prefix = first.text
            del parts[0]
        self._parts = tuple(parts)

    def __repr__(self) -> str:
        return f"UriTemplate({self.template!r})"

    def __str__(self) -> str:
        return self.template

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UriTemplate) and self.template == other.template

    def __hash__(self) -> int:
        return hash(self.template)

    @property
    def is_static(self) -> bool:
        """Whether the template has no expression, so that it means one URI."""
        return not any(isinstance(piece, _Expression) for piece in self._pieces)

    def expand(self, values: Mapping[str, object]) -> str:
        """The URI for these values (RFC 6570, section 3).

        A value is text, a list, or a mapping; anything else is taken for its text. None, an absent
        value, an empty list and an empty mapping are undefined, and leave no trace. Raises
        ``ValueError`` for ``:N`` on a list or mapping.
        """
        return "".join(
            _encode(piece, reserved=True) if isinstance(piece, str) else piece.expand(values)
            for piece in self._pieces
        )

    def match(self, uri: str) -> dict[str, Value] | None:
        """The values of the variables in ``uri``, or None if it does not fit the template.

        A URI of more than 65536 characters, counted as they are percent-encoded, fits none.
        """
        if len(uri) > MAX_URI:
            return None
        raw = normal(uri)
        if raw is None or len(raw) > MAX_URI or not raw.startswith(self._prefix):
            return None
        return fit(self._parts, raw, len(self._prefix))


# ----------------------------------------------------------------------------------------- syntax


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    """A row of the table in RFC 6570, appendix A; ``stop`` is what ends a value in a match."""

    first: str
    separator: str
    named: bool = False
    if_empty: str = ""
    reserved: bool = False
    stop: str = "/?#"


_OPERATORS = {
    "": _Operator(first="", separator=","),
    "+": _Operator(first="", separator=",", reserved=True, stop=""),
    "#": _Operator(first="#", separator=",", reserved=True, stop=""),
    ".": _Operator(first=".", separator=".", stop="./?#"),
    "/": _Operator(first="/", separator="/"),
    ";": _Operator(first=";", separator=";", named=True, stop=";/?#"),
    "?": _Operator(first="?", separator="&", named=True, if_empty="=", stop="#"),
    "&": _Operator(first="&", separator="&", named=True, if_empty="=", stop="#"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expression:
    symbol: str
    specs: tuple[Spec, ...]

    @property
    def operator(self) -> _Operator:
        return _OPERATORS[self.symbol]

    def expand(self, values: Mapping[str, object]) -> str:
        expanded = [item for spec in self.specs for item in _expand(self.operator, spec, values)]
        return self.operator.first + self.operator.separator.join(expanded) if expanded else ""


_CHARACTER = r"(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})"
_SPEC = re.compile(rf"({_CHARACTER}(?:\.?{_CHARACTER})*)(\*|:[1-9][0-9]{{0,3}})?")
_NO_LITERAL = re.compile(r"[\x00-\x20\x7f\"<>\\^`|}\ud800-\udfff]|%(?![0-9A-Fa-f]{2})")


def _pieces(template: str) -> Iterator[str | _Expression]:
    if len(template) > MAX_TEMPLATE:
        raise InvalidTemplate(f"A template may have {MAX_TEMPLATE} characters, not {len(template)}")
    position = 0
    while position < len(template):
        opening = template.find("{", position)
        literal = template[position:] if opening < 0 else template[position:opening]
        if literal:
            yield _checked_literal(literal, position)
        if opening < 0:
            return
        closing = template.find("}", opening)
        if closing < 0:
            raise InvalidTemplate(f"The expression opened at character {opening} is not closed")
        yield _expression(template[opening + 1 : closing])
        position = closing + 1


def _checked_literal(literal: str, position: int) -> str:
    if wrong := _NO_LITERAL.search(literal):
        raise InvalidTemplate(
            f"{wrong[0]!r} at character {position + wrong.start()} cannot stand in a URI: "
            "percent-encode it"
        )
    return literal


def _expression(body: str) -> _Expression:
    symbol = body[:1]
    if symbol in ("=", ",", "!", "@", "|"):
        raise InvalidTemplate(f"{{{body}}}: the operator {symbol!r} is reserved by RFC 6570")
    if symbol not in _OPERATORS:
        symbol = ""
    specs = []
    for text in body[len(symbol) :].split(","):
        match = _SPEC.fullmatch(text)
        if not match:
            raise InvalidTemplate(
                f"{{{body}}}: {text!r} is not a variable. Write a name of letters, digits and _, "
                "then * or :N (1 to 9999) if wanted"
            )
        modifier = match[2] or ""
        limit = int(modifier[1:]) if modifier.startswith(":") else None
        specs.append(Spec(name=match[1], explode=modifier == "*", limit=limit))
    return _Expression(symbol=symbol, specs=tuple(specs))


def _variables(pieces: Iterable[str | _Expression]) -> tuple[Variable, ...]:
    """One entry for each name, where it first stands; optional only if it is wherever it stands."""
    variables: dict[str, Variable] = {}
    count = 0
    for piece in pieces:
        if isinstance(piece, str):
            continue
        for spec in piece.specs:
            count += 1
            known = variables.get(spec.name)
            optional = piece.symbol in ("?", "&") and (known is None or known.optional)
            if known is not None and known.explode is not spec.explode:
                raise InvalidTemplate(f"{spec.name!r} stands once with * and once without")
            variables[spec.name] = Variable(name=spec.name, optional=optional, explode=spec.explode)
    if count > MAX_VARIABLES:
        raise InvalidTemplate(f"A template may have {MAX_VARIABLES} variables, not {count}")
    return tuple(variables.values())


# --------------------------------------------------------------------------------------- expanding


_RESERVED = ":/?#[]@!$&'()*+,;="
_TRIPLET = re.compile(r"(%[0-9A-Fa-f]{2})")


def _encode(text: str, *, reserved: bool) -> str:
    if not reserved:
        return quote(text, safe="")
    # What is percent-encoded already stays as it is (RFC 6570, 3.2.3).
    pieces = _TRIPLET.split(text)
    pieces[::2] = [quote(piece, safe=_RESERVED) for piece in pieces[::2]]
    return "".join(pieces)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _expand(operator: _Operator, spec: Spec, values: Mapping[str, object]) -> Iterator[str]:
    """What the separator of the operator is to join."""

    def encode(item: object) -> str:
        return _encode(_text(item), reserved=operator.reserved)

    def named(name: str, encoded: str) -> str:
        return f"{name}={encoded}" if encoded else f"{name}{operator.if_empty}"

    value = values.get(spec.name)
    if value is None:
        return
    if not isinstance(value, (Mapping, list, tuple)):
        encoded = encode(_text(value)[: spec.limit])
        yield named(spec.name, encoded) if operator.named else encoded
        return
    if spec.limit is not None:
        raise ValueError(f"{{{spec.name}:{spec.limit}}} cannot take a part of {value!r}")
    if isinstance(value, Mapping):
        pairs = [(encode(key), encode(item)) for key, item in value.items() if item is not None]
        if spec.explode:
            yield from (
                named(key, item) if operator.named else f"{key}={item}" for key, item in pairs
            )
            return
        items = [text for pair in pairs for text in pair]
    else:
        items = [encode(item) for item in value if item is not None]
        if spec.explode:
            yield from (named(spec.name, item) if operator.named else item for item in items)
            return
    if items:
        joined = ",".join(items)
        yield named(spec.name, joined) if operator.named else joined


# ------------------------------------------------------------------------ expressions into parts


def _parts(pieces: Iterable[str | _Expression]) -> list[Part]:
    parts: list[Part] = []
    for piece in pieces:
        for part in [_literal(piece)] if isinstance(piece, str) else _expression_parts(piece):
            _append(parts, part)
    return parts


def _literal(text: str, *, whole: bool = False) -> Literal:
    return Literal(normal(_encode(text, reserved=True)) or b"", whole)


def _expression_parts(expression: _Expression) -> Iterator[Part]:
    operator = expression.operator
    if operator.separator == "&":
        yield Query(operator.first, operator.stop, expression.specs)
        return
    lead = operator.first
    # A list may hold what separates its items.
    list_stop = operator.stop.replace(operator.separator, "")
    for spec in expression.specs:
        if spec.explode and operator.named:
            yield NamedItems(lead, list_stop, (spec,))
        elif spec.explode and lead == operator.separator != ",":
            yield Items(lead, list_stop, (spec,))
        elif operator.named:
            yield _literal(lead + spec.name, whole=True)
            yield PathParameter("=", operator.stop, (spec,))
        else:
            if lead:
                yield _literal(lead)
            yield Single(spec, operator.stop)
        lead = operator.separator


def _append(parts: list[Part], part: Part) -> None:
    """Add a part, or join it to the one before; refuse it if nothing tells the two apart."""
    last = parts[-1] if parts else None
    match last, part:
        case Literal(whole=False), Literal():
            parts[-1] = Literal(last.text + part.text, part.whole)
        case Query(), Query(lead="&"):
            parts[-1] = Query(last.lead, last.stop, last.specs + part.specs)
        case (Single() | Block(), Single()):
            raise _unclear(last, part)
        case Block(), Block() if last.lead == part.lead:
            raise _unclear(last, part)
        case _:
            parts.append(part)


def _unclear(last: Single | Block, part: Single | Block) -> InvalidTemplate:
    return InvalidTemplate(
        f"Nothing tells where {last.specs[-1].name!r} ends and {part.specs[0].name!r} begins: "
        "put a literal between them"
    )
