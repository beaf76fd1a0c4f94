"""From a URL name, or a view, to the URL pattern that leads to it; and from its values to a path.

A path is made as `{% url %}` makes it, and read as a request's is, so that a value reaches the view
as the converter of its pattern has it, or not at all. What the view takes besides is `facts`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CellType
from typing import Any, Final
from urllib.parse import unquote

from django.urls import (
    NoReverseMatch,
    ResolverMatch,
    URLPattern,
    URLResolver,
    get_resolver,
    path,
    resolve,
    reverse,
)
from django.urls.resolvers import RegexPattern, RoutePattern

from ...server.errors import InvalidArguments, RegistrationError
from .browser import text_of
from .inputs import Input, Source

#: Characters of a value in a path. Web servers take no request line that is much longer.
LONGEST: Final = 4096

View = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A pattern that leads to a view. `own` is one that no URLconf has, made for a tool.

    `lookup` is what `reverse()` finds the pattern by, `text` what it looks like, and `converters`
    has the names in it, with None where a regular expression stands.
    """

    callback: View
    lookup: Any
    text: str
    converters: Mapping[str, Any]
    own: URLPattern | None = None

    @property
    def _urlconf(self) -> Any:
        return None if self.own is None else (self.own,)

    def path_of(self, values: Mapping[str, Any], tool: str) -> str:
        """The path for checked `values`, below the script prefix, which has to be "/".

        Raises InvalidArguments for values that no path of this pattern can have.
        """
        texts = {name: text_of(value) for name, value in values.items()}
        kwargs = {name: self._converted(name, text, tool) for name, text in texts.items()}
        try:
            return unquote(reverse(self.lookup, urlconf=self._urlconf, kwargs=kwargs))
        except (NoReverseMatch, ValueError, TypeError):
            names = ", ".join(sorted(texts)) or "The path"
            problem = f"{names}: cannot stand in a path like /{self.text}"
            raise InvalidArguments(tool, [problem]) from None

    def _converted(self, name: str, text: str, tool: str) -> Any:
        converter = self.converters.get(name)
        if converter is None:
            return text
        try:
            if re.fullmatch(converter.regex, text) is None:
                raise ValueError
            return converter.to_python(text)
        except ValueError:
            problem = f"{name}: is no value for a path like /{self.text}"
            raise InvalidArguments(tool, [problem]) from None

    def resolve(self, path_info: str) -> ResolverMatch:
        """What `path_info` leads to; raises Resolver404."""
        return resolve(path_info, urlconf=self._urlconf)

    def leads_here(self, match: ResolverMatch) -> bool:
        """True where `match` is this pattern's: another one may have come before it."""
        return same_view(match.func, self.callback)

    def source(self, schemas: Mapping[str, Mapping[str, Any]]) -> Source:
        """The values of the path as arguments; `schemas` has those that are known better."""
        inputs = tuple(
            Input(
                name=name,
                place="path",
                schema=schemas.get(name) or _schema(converter),
                required=True,
            )
            for name, converter in self.converters.items()
        )
        return Source(inputs=inputs)


def own_route(view: View, given: str) -> Route:
    """The route of a view that is in no URLconf; `given` is written as for `path()`."""
    pattern = path(given.lstrip("/"), view)
    return Route(
        callback=view,
        lookup=view,
        text=given.lstrip("/"),
        converters=dict(pattern.pattern.converters),
        own=pattern,
    )


def route_of(wanted: str | View) -> Route:
    """The first pattern of the URLconf with that name, or that leads to that view.

    A name may have namespaces ("library:book"), of instances or of applications. Raises
    RegistrationError where there is no such pattern, and for one whose groups have no names.
    """
    found = [each for each in _walk(get_resolver()) if each.fits(wanted)]
    if not found:
        raise RegistrationError(_not_found(wanted))
    # A router of REST framework's has every name a second time, with a suffix for the format.
    first = next((each for each in found if "format" not in each.converters), found[0])
    return first.route(wanted)


def _not_found(wanted: str | View) -> str:
    if isinstance(wanted, str):
        return (
            f"No URL pattern is called {wanted!r}: give the name of one, with its namespaces as in "
            '"library:book", or the view itself with path=.'
        )
    return (
        f"No URL pattern leads to {_label(wanted)}: add it to the URLconf, or say what its path "
        'would be, as in path="books/<int:pk>/".'
    )


def _label(view: View) -> str:
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"


def same_view(one: View, other: View) -> bool:
    """True for one view, and for one that was made twice of the same things, as Ninja does for
    each method of a path."""
    if one is other:
        return True
    code = getattr(one, "__code__", None)
    if code is None or code is not getattr(other, "__code__", None):
        return False
    ours, theirs = _cells(one), _cells(other)
    return bool(ours) and ours == theirs


def _cells(view: View) -> list[int]:
    cells: tuple[CellType, ...] = getattr(view, "__closure__", None) or ()
    return [id(cell.cell_contents) for cell in cells]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A pattern, with what stands before it."""

    pattern: URLPattern
    parts: tuple[Any, ...]
    namespaces: tuple[str, ...] = ()
    apps: tuple[str, ...] = field(default=())

    def fits(self, wanted: str | View) -> bool:
        if isinstance(wanted, str):
            name = self.pattern.name
            return bool(name) and wanted in (
                ":".join([*self.namespaces, str(name)]),
                ":".join([*self.apps, str(name)]),
            )
        return leads_to(self.pattern.callback, wanted)

    @property
    def converters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in self.parts:
            if isinstance(part, RoutePattern):
                found.update(part.converters)
            elif isinstance(part, RegexPattern):
                found.update(dict.fromkeys(part.regex.groupindex))
        return found

    @property
    def text(self) -> str:
        parts = [str(part) for part in self.parts]
        return "".join(part.removeprefix("^") for part in parts).lstrip("/")

    def route(self, wanted: str | View) -> Route:
        self._refuse_groups_without_names()
        name = self.pattern.name
        lookup: Any = ":".join([*self.namespaces, name]) if name else self.pattern.callback
        if not name and self.namespaces:
            raise RegistrationError(
                f"The URL pattern /{self.text} has a namespace and no name: give it one."
            )
        return Route(
            callback=self.pattern.callback,
            lookup=lookup,
            text=self.text,
            converters=self.converters,
        )

    def _refuse_groups_without_names(self) -> None:
        for part in self.parts:
            if isinstance(part, RegexPattern) and part.regex.groups and not part.regex.groupindex:
                raise RegistrationError(
                    f"The URL pattern /{self.text} has groups without names, so nobody can say "
                    "what they mean: write (?P<pk>…)."
                )


def leads_to(callback: Any, wanted: View) -> bool:
    """True where `callback`, of a URL pattern, is the view or class `wanted`, decorated or not."""
    # What `as_view()` returns is another function each time, of the same class.
    wanted = getattr(wanted, "view_class", None) or getattr(wanted, "cls", None) or wanted
    if inspect.isclass(wanted):
        return wanted in (getattr(callback, "view_class", None), getattr(callback, "cls", None))
    while callback is not None:
        if callback is wanted:
            return True
        callback = getattr(callback, "__wrapped__", None)
    return False


def _walk(
    resolver: URLResolver,
    parts: tuple[Any, ...] = (),
    namespaces: tuple[str, ...] = (),
    apps: tuple[str, ...] = (),
) -> Iterator[_Found]:
    for pattern in resolver.url_patterns:
        inner = (*parts, pattern.pattern)
        if isinstance(pattern, URLResolver):
            space, app = pattern.namespace, pattern.app_name
            yield from _walk(
                pattern,
                inner,
                (*namespaces, space) if space else namespaces,
                (*apps, app) if app else apps,
            )
        else:
            yield _Found(pattern=pattern, parts=inner, namespaces=namespaces, apps=apps)


# ---------------------------------------------------------------------------------------- schemas

_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "IntConverter": {"type": "integer", "minimum": 0},
    "StringConverter": {"type": "string", "pattern": "^[^/]+$", "maxLength": LONGEST},
    "SlugConverter": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": LONGEST},
    "PathConverter": {"type": "string", "minLength": 1, "maxLength": LONGEST},
    "UUIDConverter": {"type": "string", "format": "uuid", "maxLength": 36},
}
#: A converter of the project's own, or a group of a regular expression.
_ANY: Final[Mapping[str, Any]] = {"type": ["string", "integer"], "maxLength": LONGEST}


def _schema(converter: Any) -> Mapping[str, Any]:
    if type(converter).__module__ == "django.urls.converters":
        return _SCHEMAS.get(type(converter).__name__, _ANY)
    regex = getattr(converter, "regex", None)
    # What only Python's regular expressions know is not for clients.
    if not isinstance(regex, str) or re.search(r"\(\?|\\[ZAN]", regex):
        return _ANY
    return {"type": "string", "pattern": f"^(?:{regex})$", "maxLength": LONGEST}
