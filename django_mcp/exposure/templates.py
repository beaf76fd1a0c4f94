"""Django templates as prompts and resources.

Owns how the context of a template is found, which language it is rendered in, and what is escaped
in it. What a caller gives is only ever a value in the context, and never a part of a template.

An HTML or XML template escapes its values, told by the name of its file; any other, such as a
Markdown prompt, writes them as they are, whatever the engine does for pages. Engines other than
Django's escape as they are configured to.
"""

from __future__ import annotations

import inspect
import mimetypes
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.http import Http404
from django.template import TemplateDoesNotExist
from django.template.backends.django import Template as DjangoTemplate
from django.template.context import make_context
from django.template.loader import get_template
from django.utils import translation

from ..pages import language_for
from ..server import components
from ..server.components import Callee, Prompt, Resource, ResourceTemplate
from ..server.context import Context
from ..server.errors import InvalidResult, NotFound, RegistrationError

#: What HTML and XML files are called.
ESCAPED: Final = frozenset({".html", ".htm", ".xhtml", ".xml", ".svg"})
_CONTEXT: Final = "request_context"


class Rendered:
    """Calls a function for the context of a template, and renders it in the caller's language."""

    def __init__(
        self, template_name: str, function: Callable[..., Any], context: str | None, *, strip: bool
    ) -> None:
        self.template_name = template_name
        self._function = function
        self._context = context
        self._strip = strip

    def call(self, *, request_context: Context, **arguments: Any) -> str:
        """For a sync function."""
        if self._context is not None:
            arguments[self._context] = request_context
        with in_language_of(request_context), _found(request_context):
            return self._render(self._function(**arguments))

    async def acall(self, *, request_context: Context, **arguments: Any) -> str:
        """For an async one: the template has a thread, since it may make queries."""
        if self._context is not None:
            arguments[self._context] = request_context
        with in_language_of(request_context), _found(request_context):
            found = await self._function(**arguments)
            return await sync_to_async(self._render)(found)

    def _render(self, found: Any) -> str:
        if found is not None and not isinstance(found, Mapping):
            raise InvalidResult(
                f"The context of the template {self.template_name!r} is a dict, not "
                f"{type(found).__name__}."
            )
        text = render(self.template_name, {} if found is None else dict(found))
        return text.strip() if self._strip else text


def render(template_name: str, context: dict[str, Any]) -> str:
    """The template with `context` in it; raises ImproperlyConfigured where there is no template."""
    try:
        template: Any = get_template(template_name)
        if not isinstance(template, DjangoTemplate):
            return str(template.render(context))
        made = make_context(context, autoescape=is_escaped(template_name))
        return str(template.template.render(made))
    except TemplateDoesNotExist as error:
        raise ImproperlyConfigured(missing(template_name, error)) from error


@contextmanager
def _found(context: Context) -> Iterator[None]:
    """What a page answers with 404 is not found here either."""
    try:
        yield
    except (ObjectDoesNotExist, Http404) as error:
        raise NotFound(f"{context.target}: {error}") from error


def is_escaped(template_name: str) -> bool:
    """True where the values in a template are escaped for HTML."""
    return PurePosixPath(template_name).suffix.lower() in ESCAPED


def missing(template_name: str, error: TemplateDoesNotExist) -> str:
    """What to say of a template that is not there, with where it was looked for."""
    tried = [str(origin) for each in (error, *error.chain) for origin, _ in each.tried]
    where = f" Looked for: {', '.join(tried)}." if tried else ""
    what = "" if str(error) == template_name else f" (for {template_name!r})"
    return f"There is no template {str(error)!r}{what}.{where}"


def in_language_of(context: Context) -> AbstractContextManager[Any]:
    """Activates the language that the request asks for, of those the project has.

    A request that asks for none, as over stdio, leaves the language as it is.
    """
    language = language_for(context.headers.get("accept-language"))
    return nullcontext() if language is None else translation.override(language)


# ---------------------------------------------------------------------------------- as components


def template_prompt(
    template_name: str, context: Callable[..., Any] | type | None, **options: Any
) -> Prompt:
    """Build the prompt that a template is. `context` is what `add_template_prompt` takes."""
    function = _function(template_name, context, options)
    built = components.prompt(function, **options)
    return replace(built, callee=_rendering(template_name, built.callee, strip=True))


def template_resource(
    function: Callable[..., Any] | None, uri: str, template_name: str, **options: Any
) -> Resource | ResourceTemplate:
    """Build the resource that a template is; `function` returns its context."""
    if function is None:
        options["name"] = options.get("name") or uri.rpartition("/")[2] or uri
    function = _function(template_name, function, options)
    guessed = mimetypes.guess_type(template_name)[0]
    options["mime_type"] = options.get("mime_type") or guessed
    built = components.resource(function, uri, **options)
    return replace(built, callee=_rendering(template_name, built.callee, strip=False))


def _rendering(template_name: str, callee: Callee, *, strip: bool) -> Callee:
    made = Rendered(template_name, callee.function, callee.context, strip=strip)
    return Callee(
        function=made.acall if callee.is_async else made.call,
        is_async=callee.is_async,
        context=_CONTEXT,
    )


def rendered(callee: Callee) -> str | None:
    """The name of the template behind a component; None where there is none."""
    owner = getattr(callee.function, "__self__", None)
    return owner.template_name if isinstance(owner, Rendered) else None


def _function(
    template_name: str, context: Callable[..., Any] | type | None, options: dict[str, Any]
) -> Callable[..., Any]:
    """The function behind what may stand for a context; a name and a description go to options."""
    if not isinstance(template_name, str):
        raise RegistrationError(
            f'{template_name!r} is no template: give its name, such as "library/review.md".'
        )
    if context is None or hasattr(context, "__required_keys__"):
        if not options.get("name"):
            raise RegistrationError(
                f"What is made of {template_name!r} needs a name: give name=, or a function that "
                "returns its context."
            )
        if context is not None and not options.get("description"):
            options["description"] = inspect.getdoc(context)
        return _given if context is None else _typed(context)
    return context


def _given() -> dict[str, Any]:
    return {}


def _typed(context: Any) -> Callable[..., Any]:
    """A function whose parameters are the keys of a TypedDict, and that returns them."""
    hints = typing.get_type_hints(context, include_extras=True)

    def values(**given: Any) -> dict[str, Any]:
        return {key: value for key, value in given.items() if value is not None}

    parameters = []
    for key, hint in hints.items():
        needed = key in context.__required_keys__
        if typing.get_origin(hint) in (typing.Required, typing.NotRequired):
            needed = typing.get_origin(hint) is typing.Required
            (hint,) = typing.get_args(hint)
        parameters.append(
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=hint if needed else hint | None,
                default=inspect.Parameter.empty if needed else None,
            )
        )
    values.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return values
