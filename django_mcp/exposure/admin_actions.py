"""An action of the admin as a tool, and as a prompt that leads to it.

Owns who sees it, which objects it runs on, when the user is asked first, and what its answer means.
What the action may do is the admin's: it runs as on the changelist, for the principal's user,
within `ModelAdmin.get_queryset()` and with the permissions that the action names. The request it
gets is made in `requests`.
"""

from __future__ import annotations

import html
import inspect
import mimetypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import GenericAlias
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_format_dict, model_ngettext
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import strip_tags
from django.utils.text import capfirst
from pydantic import Field

from ..protocol.types import CallToolResult, TextContent
from ..server.access import Principal
from ..server.content import File
from ..server.context import Context
from ..server.errors import NotPermitted, RegistrationError, ToolError
from .requests import CallRequest, messages_of, prefix_of, request_for
from .templates import in_language_of

#: Django's own, whose page asks a person whether they are sure.
DELETE: Final = "delete_selected"
#: Objects that are named one by one.
MOST_NAMED: Final = 20
#: Letters that are searched for: each word becomes a condition, of which databases take so many.
LONGEST_SEARCH: Final = 200
#: Bytes of a file that an action answers with.
MOST_BYTES: Final = 1024 * 1024


class AdminAction:
    """An action of a ModelAdmin, with what a caller is told of it."""

    def __init__(
        self,
        model_admin: Any,
        action: str,
        *,
        max_objects: int,
        confirm: bool | None,
        posted: Mapping[str, str] | None,
    ) -> None:
        self._admin = model_admin
        self._action = action
        self._most = max_objects
        self._confirms = action == DELETE if confirm is None else confirm
        self._posted = {"post": "yes"} if posted is None and action == DELETE else posted or {}
        options = model_admin.opts
        self.description: str = _described(model_admin, action) % model_format_dict(options)
        self._kind = f"{options.app_label}_{options.model_name}"
        self._plural = str(options.verbose_name_plural)

    def __str__(self) -> str:
        return f"{type(self._admin).__name__}.{self._action}"

    @property
    def description_of_tool(self) -> str:
        return f"{self.description}: {self._most} at most, by their keys."

    @property
    def is_deletion(self) -> bool:
        return self._action == DELETE

    def rule(self, principal: Principal) -> bool:
        """True for staff who find the action on the page of the list."""
        request = self._request(principal)
        return bool(
            self._admin.admin_site.has_permission(request)
            and self._admin.has_view_or_change_permission(request)
            and self._action in self._admin.get_actions(request)
        )

    # As a tool

    def tool(self) -> Callable[..., Any]:
        """The function behind the tool."""

        def run(ctx: Any, keys: Any) -> Any:
            with in_language_of(ctx):
                return self._run(ctx, keys)

        function: Any = run
        pk = self._admin.opts.pk
        while pk.remote_field is not None:
            pk = pk.target_field
        kind: Any = int if isinstance(pk, models.IntegerField) else str
        text = f"The primary keys of the {self._plural}."
        limits = Field(min_length=1, max_length=self._most, description=text)
        function.__signature__ = _signature(
            ctx=Context, keys=Annotated[GenericAlias(list, kind), limits]
        )
        return run

    def _run(self, ctx: Context, keys: Sequence[Any]) -> Any:
        posted = {
            "action": [self._action],
            "select_across": ["0"],
            "index": ["0"],
            ACTION_CHECKBOX_NAME: [str(key) for key in keys],
            **{name: [value] for name, value in self._posted.items()},
        }
        request = self._request(ctx.principal, ctx)
        request.POST = _posted(posted)  # type: ignore[assignment]
        with prefix_of(request):
            return self._answer(ctx, request, keys)

    def _answer(self, ctx: Context, request: CallRequest, keys: Sequence[Any]) -> Any:
        found = self._admin.get_actions(request).get(self._action)
        if found is None:
            raise NotPermitted(f"{self._action} is no action of {ctx.principal.id}")
        chosen = self._chosen(request, keys)
        question = self._question(request, chosen)
        if self._confirms and not ctx.wait(ctx.confirm(question)):
            return "Nothing was done: the user said no."
        try:
            function, _ = _parts(found)
            response = function(self._admin, request, chosen.all())
        except PermissionDenied:
            raise ToolError("You may not do this to all of these objects.") from None
        return self._result(request, response, len(chosen))

    def _chosen(self, request: HttpRequest, keys: Sequence[Any]) -> models.QuerySet[Any]:
        """The objects with these keys, all of them; raises ToolError where one is not there."""
        pk: Any = self._admin.opts.pk
        wanted: list[Any] = []
        unknown: list[Any] = []
        for key in keys:
            try:
                value = pk.to_python(key)
                pk.run_validators(value)
            except ValidationError:
                unknown.append(key)
            else:
                wanted.append(value)
        chosen: models.QuerySet[Any] = self._admin.get_queryset(request).filter(pk__in=wanted)
        try:
            there = {each.pk for each in chosen}
        except ValueError:  # A text that the database cannot hold.
            there = set()
        unknown += [key for key in wanted if key not in there]
        if unknown:
            raise ToolError(
                f"There are no {self._plural} with the keys {_listed(unknown)}. Nothing was done."
            )
        return chosen

    def _question(self, request: HttpRequest, chosen: models.QuerySet[Any]) -> str:
        """What a user is asked before anything happens; raises ToolError for what cannot happen."""
        question = f"{self.description}: {_listed(chosen)}?"
        if not self.is_deletion:
            return question
        _, counts, lacking, protected = self._admin.get_deleted_objects(chosen, request)
        if protected:
            raise ToolError(
                f"They cannot be deleted while there is {_listed(map(_text, protected))}."
            )
        if lacking:
            raise ToolError(f"You may not delete what goes with them: {_listed(sorted(lacking))}.")
        others = {name: count for name, count in counts.items() if str(name) != self._plural}
        more = [f"{count} {name}" for name, count in others.items() if count]
        return f"{question} With them go {_listed(more)}." if more else question

    def _result(self, request: HttpRequest, response: Any, count: int) -> Any:
        said = messages_of(request)
        texts = [_text(message) for message in said]
        failed = any(message.level >= messages.ERROR for message in said)
        if isinstance(response, HttpResponseBase) and not _leads_back(response, request):
            file = _file(response, self._action)
            if file is not None:
                return [*texts, file]
            failed = True
            texts.append(
                f"The action answered with status {response.status_code}."
                if response.status_code >= 400
                else "This action goes on with a page of the admin, and needs a person there."
            )
        if not texts:
            texts = [f"{self.description}: {count} {model_ngettext(self._admin.opts, count)}."]
        if failed:
            # Not raised: what the action has written until then stays, as it does in the admin.
            blocks: list[Any] = [TextContent(text=text) for text in texts]
            return CallToolResult(content=blocks, is_error=True)
        return texts if len(texts) > 1 else texts[0]

    # As a prompt

    def prompt(self, tool: str) -> Callable[..., Any]:
        """The function behind the prompt: what the person means, and the tool that does it."""

        def write(ctx: Any, search: str) -> str:
            with in_language_of(ctx):
                return self._write(ctx, search, tool)

        what = f"Which {self._plural}: words to search for."
        words = Annotated[str, Field(max_length=LONGEST_SEARCH, description=what)]
        write.__signature__ = _signature(ctx=Context, search=words)  # type: ignore[attr-defined]
        return write

    def _write(self, ctx: Context, search: str, tool: str) -> str:
        request = self._request(ctx.principal, ctx)
        queryset = self._admin.get_queryset(request)
        found, repeats = self._admin.get_search_results(request, queryset, search)
        found = (found.distinct() if repeats else found)[: self._most]
        # Not every database can be asked for a NUL, and none has one in a text that people see.
        lines = [] if "\0" in search else [f"- {each.pk}: {each}" for each in found]
        if not lines:
            return f"There are no {self._plural} for {search!r}. Ask me which ones I mean."
        return "\n".join(
            [
                f"{self.description}, with the tool `{tool}`. These {self._plural} were found for "
                f"{search!r}, each with its key; where it is not clear which I mean, ask me first:",
                *lines,
            ]
        )

    def _request(self, principal: Principal, ctx: Context | None = None) -> CallRequest:
        """A request of the principal for the list of the objects, made of the one of `ctx`."""
        path = self._path().removeprefix(get_script_prefix().rstrip("/"))
        if ctx is None:
            return request_for(principal, "POST", path)
        return request_for(principal, "POST", path, origin=ctx.request, headers=ctx.headers)

    def _path(self) -> str:
        """Where the list of the objects is in the admin, if it has a URL."""
        try:
            return reverse(f"{self._admin.admin_site.name}:{self._kind}_changelist")
        except NoReverseMatch:
            return f"{get_script_prefix()}{self._kind.replace('_', '/', 1)}/"


def find(model: Any, action: str, site: Any | None) -> Any:
    """The ModelAdmin of `model` that has `action`; raises RegistrationError where there is none.

    A `get_actions()` of its own may add any, which only a request can tell: there every name is
    taken, and `AdminAction.rule` finds it or does not.
    """
    if not apps.is_installed("django.contrib.admin"):
        raise RegistrationError(
            'The admin is not there: add "django.contrib.admin" to INSTALLED_APPS.'
        )
    where = admin.site if site is None else site
    try:
        model_admin = where.get_model_admin(model)
    except NotRegistered:
        admin.autodiscover()  # Its turn may be after this app's.
        try:
            model_admin = where.get_model_admin(model)
        except NotRegistered:
            raise RegistrationError(
                f"{model.__name__} is not registered with the admin: it has no actions."
            ) from None
    names = [each if isinstance(each, str) else each.__name__ for each in model_admin.actions or ()]
    names += [name for name, _ in where.actions]
    may_add = type(model_admin).get_actions is not admin.ModelAdmin.get_actions
    if not may_add and (action not in names or model_admin.get_action(action) is None):
        raise RegistrationError(
            f"{action!r} is no action of {type(model_admin).__name__}; there are {_listed(names)}."
        )
    return model_admin


def _posted(fields: Mapping[str, list[str]]) -> QueryDict:
    """What a page would send. It is no body, of whose fields a project may limit the number."""
    data = QueryDict(mutable=True)
    for name, values in fields.items():
        data.setlist(name, values)
    data._mutable = False
    return data


def _signature(**annotations: Any) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [inspect.Parameter(name, kind, annotation=a) for name, a in annotations.items()]
    )


def _text(value: object) -> str:
    """The words in what was written for a page."""
    return html.unescape(strip_tags(str(value)))


def _listed(items: Iterable[Any]) -> str:
    texts = [str(item) for item in items]
    rest = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _leads_back(response: HttpResponseBase, request: HttpRequest) -> bool:
    """True for a redirect to the list the action was chosen on, which is how pages say: done."""
    if not 300 <= response.status_code < 400:
        return False
    path = urlsplit(response.headers.get("Location", "")).path
    return path in ("", ".", "./", request.path)


def _file(response: HttpResponseBase, action: str) -> File | None:
    """What an action exports; None for a page, and for what is no success."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    if response.status_code != 200 or kind in ("text/html", "application/xhtml+xml"):
        return None
    data = bytearray()
    parts: Any = response
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    for part in parts.streaming_content if response.streaming else [parts.content]:
        data += part
        if len(data) > MOST_BYTES:
            raise ToolError(
                f"The action answered with a file of more than {MOST_BYTES:,} bytes: choose fewer "
                "objects."
            )
    disposition = response.headers.get("Content-Disposition", "")
    name = disposition.partition('filename="')[2].partition('"')[0]
    name = name or f"{action}{mimetypes.guess_extension(kind) or ''}"
    return File(data=bytes(data), name=name, mime_type=kind or None)


def _described(model_admin: Any, action: str) -> str:
    """The description of an action, in the words of its name where only a request finds it."""
    found = model_admin.get_action(action)
    return capfirst(action.replace("_", " ")) if found is None else _parts(found)[1]


def _parts(action: Any) -> tuple[Callable[..., Any], str]:
    """The function and the description of what Django says of an action: a tuple up to 6.0."""
    if isinstance(action, tuple):
        return action[0], action[2]
    return action.func, action.plural_description
