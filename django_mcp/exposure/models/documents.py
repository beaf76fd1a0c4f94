"""The resources of an exposed model: the collection, each object, its files, and the schema.

    library://books                       the first page
    library://books{?cursor,limit}        the pages after it
    library://books?schema                the JSON Schema of an object
    library://books/{id}                  an object
    library://books/{id}/cover            the bytes of a file

The key of an object is one segment of a path, so that none of the others can be an object. What a
caller may not see is not found, word for word like what does not exist. What a key is completed to
is `completing`'s business; who is told of changes, `changes`'s.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from django.core.exceptions import SuspiciousOperation
from django.core.files.utils import validate_file_name
from django.db import models
from pydantic import Field

from ...protocol import types
from ...protocol.errors import InvalidParams
from ...protocol.uri_templates import UriTemplate
from ...server import components
from ...server.components import Named, Resource, Visible
from ...server.content import blob
from ...server.context import Context
from ...server.errors import NotFound, ToolError
from ...server.listings import ListedPage
from ...server.outputs import Output
from ...server.registration import Registration
from ...server.signatures import inspect_function
from .completing import completion_of
from .exposed import ExposedModel
from .functions import Argument, function_of
from .indexes import by_index, has_index, is_plain
from .limits import TookTooLong
from .pages import Order
from .selection import Exposed

JSON: Final = "application/json"
SCHEMA: Final = "application/schema+json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Body = Callable[[Context, dict[str, Any]], Any]


def add(server: Registration, exposed: ExposedModel) -> None:
    """Register the resources of an exposed model; raises RegistrationError where a URI is taken."""
    _Documents(server, exposed).add()


class _Documents:
    def __init__(self, server: Registration, exposed: ExposedModel) -> None:
        self._server = server
        self._exposed = exposed
        self._rule = exposed.rule(exposed.resource.has_view_permission)
        self._output = _output_of(exposed)
        #: By the key alone, which has an index: lists of resources are long, and have no order.
        self._by_key = Order(exposed.selection, ())
        self._key = {
            exposed.variable: Argument(
                annotation=exposed.lookup.kind.taken, description=f"Which {exposed.resource.name}"
            )
        }

    def add(self) -> None:
        exposed, resource = self._exposed, self._exposed.resource
        name, plural = resource.name, resource.plural
        limit = Annotated[int, Field(ge=1, le=resource.list_max_per_page)] | None
        paging = {
            "cursor": Argument(annotation=str | None, default=None),
            "limit": Argument(annotation=limit, default=None),
        }
        title = str(exposed.model._meta.verbose_name_plural)
        self._register(
            resource.uri, plural, f"{_big(title)}, a page of them.", {}, self._page, title=title
        )
        self._register(
            self._pages.template, f"{plural}_page", f"A page of {plural}.", paging, self._page
        )
        self._register(
            f"{resource.uri}?schema",
            f"{name}_schema",
            f"The JSON Schema of one {name}.",
            {},
            self._schema,
            SCHEMA,
        )
        self._register(exposed.template.template, name, f"One {name}.", self._key, self._object)
        for member in exposed.selection.members:
            if isinstance(member.field, models.FileField) and not member.hops:
                self._register(
                    f"{exposed.template}/{quote(member.name)}",
                    f"{name}_{member.name}",
                    f"The file {member.name} of one {name}.",
                    self._key,
                    self._file(member),
                    None,
                )
        if resource.listed:
            self._server.resource_listings.add(resource.uri, self._listed, permission=self._rule)

    @property
    def _pages(self) -> UriTemplate:
        return UriTemplate(f"{self._exposed.resource.uri}{{?cursor,limit}}")

    def _register(
        self,
        uri: str,
        name: str,
        description: str,
        arguments: Mapping[str, Argument],
        body: Body,
        mime_type: str | None = JSON,
        title: str | None = None,
    ) -> None:
        has_key = arguments is self._key
        built = components.resource(
            function_of(body, name, description, arguments, Any),
            uri,
            title=title,
            mime_type=mime_type,
            rule=self._rule,
            visible=self._visible(UriTemplate(uri)) if has_key else None,
            confined=False,  # Keys of rows, and no parts of paths.
        )
        if isinstance(built, Resource):
            self._server.resources.add(built)
            return
        self._server.resource_templates.add(built)
        if has_key:
            key = self._exposed.variable
            self._server.completion(uri, key)(completion_of(self._exposed))

    # What is read

    def _object(self, ctx: Context, given: dict[str, Any]) -> Any:
        obj, row = self._find(ctx, given)
        return self._output.dump(row(obj))

    def _page(self, ctx: Context, given: dict[str, Any]) -> Any:
        exposed = self._exposed
        queryset = exposed.objects(ctx)
        order = next(iter(exposed.orders.values()))
        is_quick = by_index(queryset, (), order)
        scope = exposed.scope(ctx, queryset)
        queryset, row = exposed.shape.load(queryset, scope, whole=True)
        try:
            with exposed.asking(queryset, is_quick=is_quick):
                page = order.page(
                    queryset,
                    scope,
                    limit=given.get("limit") or exposed.resource.list_per_page,
                    cursor=given.get("cursor"),
                    allows=exposed.allows(ctx),
                )
        except ToolError as error:
            raise InvalidParams(error.message) from error
        items = [
            {"uri": exposed.uri_of(obj), "label": str(obj), "fields": self._output.dump(row(obj))}
            for obj in page.objects
        ]
        following = page.next_cursor
        asked = {"cursor": following, "limit": given.get("limit")}
        return {
            "items": items,
            "next_cursor": following,
            "next": None if following is None else self._pages.expand(asked),
        }

    def _schema(self, ctx: Context, given: dict[str, Any]) -> Any:
        schema = self._output.schema_for(True) or {}
        return {"$schema": DIALECT, "title": self._exposed.resource.name, **schema}

    def _file(self, member: Exposed) -> Body:
        most = self._exposed.resource.max_file_bytes

        def read(ctx: Context, given: dict[str, Any]) -> Any:
            obj, _ = self._find(ctx, given, shown=False)
            file = getattr(obj, member.field.attname)
            if not file:
                raise NotFound(ctx.target)
            data = _bytes_of(file, most + 1)
            if data is None:
                raise NotFound(ctx.target)
            if len(data) > most:
                raise InvalidParams(
                    f"{ctx.target} has more than {most:,} bytes, and is not sent: its URL stands "
                    f"in {self._exposed.uri_of(obj)}."
                )
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            return blob(ctx.target, data, kind)

        return read

    def _find(self, ctx: Context, given: dict[str, Any], *, shown: bool = True) -> Any:
        try:
            return self._exposed.find(ctx, given[self._exposed.variable], shown=shown)
        except TookTooLong as error:
            raise InvalidParams(error.message) from error
        except ToolError as error:
            raise NotFound(error.message) from error

    # What is listed, and who may follow it

    def _listed(self, ctx: Context, after: str | None, limit: int) -> ListedPage:
        exposed, resource = self._exposed, self._exposed.resource
        queryset = exposed.objects(ctx)
        is_quick = by_index(queryset, (), self._by_key)
        if resource.select_related:
            queryset = queryset.select_related(*resource.select_related)
        queryset = queryset.prefetch_related(*resource.prefetch_related)
        try:
            with exposed.asking(queryset, is_quick=is_quick):
                page = self._by_key.page(
                    queryset,
                    exposed.scope(ctx, queryset),
                    limit=limit,
                    cursor=after,
                    allows=exposed.allows(ctx),
                )
        except TookTooLong as error:
            raise InvalidParams(error.message) from error
        except ToolError as error:
            raise InvalidParams(
                "params.cursor is not a cursor of resources: send nextCursor of the page before "
                "unchanged, or no cursor to start again."
            ) from error
        changed = _last_change(exposed)
        return ListedPage(
            [self._definition(obj, changed) for obj in page.objects], page.next_cursor
        )

    def _definition(self, obj: Any, changed: str | None) -> types.Resource:
        exposed = self._exposed
        at = None if changed is None else getattr(obj, changed)
        return types.Resource(
            uri=exposed.uri_of(obj),
            name=f"{exposed.resource.name} {exposed.key_of(obj)}",
            title=str(obj) or None,
            mime_type=JSON,
            annotations=None if at is None else types.Annotations(last_modified=at.isoformat()),
        )

    def _visible(self, template: UriTemplate) -> Visible:
        variable = self._exposed.variable

        def visible(ctx: Context, named: Sequence[Named]) -> list[bool]:
            keys = [each.arguments[variable] for each in named]
            there = self._seen(ctx, keys)
            # Of another way to write a key, nobody would ever be told.
            return [
                str(key) in there and template.expand({variable: str(key)}) == each.uri
                for key, each in zip(keys, named, strict=True)
            ]

        return visible

    def _seen(self, ctx: Context, keys: Sequence[Any]) -> set[str]:
        """Those of `keys`, as text, whose objects the caller may see."""
        exposed = self._exposed
        objects = exposed.objects(ctx).order_by()
        is_quick = is_plain(objects) and has_index(exposed.lookup)
        queryset = objects.filter(**{f"{exposed.lookup.name}__in": keys})
        allows = exposed.allows(ctx)
        try:
            with exposed.asking(queryset, is_quick=is_quick):
                if allows is None:
                    found = queryset.values_list(exposed.lookup.field.attname, flat=True)
                    return {str(exposed.lookup.kind.plainly(key)) for key in found}
                return {str(exposed.key_of(obj)) for obj in queryset if allows(obj)}
        except TookTooLong:
            return set()
        except ToolError:
            if len(keys) == 1:
                return set()
            # One of them is out of range, and the others are not to suffer for it.
            half = len(keys) // 2
            return self._seen(ctx, keys[:half]) | self._seen(ctx, keys[half:])


def _output_of(exposed: ExposedModel) -> Output:
    """What makes JSON of rows, as the tool that gets one does."""

    def get(ctx: Context, given: dict[str, Any]) -> Any:
        raise NotImplementedError

    function = function_of(get, exposed.resource.name, "", {}, exposed.shape.type)
    return Output(inspect_function(function, context_type=Context))


def _last_change(exposed: ExposedModel) -> str | None:
    """The exposed field that says when an object was last saved."""
    for member in exposed.selection.members:
        field = member.field
        if isinstance(field, models.DateTimeField) and field.auto_now and not member.hops:
            return str(field.attname)
    return None


def _bytes_of(file: Any, most: int) -> bytes | None:
    """The first `most` bytes of a file; None where there is none, or none in its storage."""
    try:
        validate_file_name(file.name, allow_relative_path=True)
        with file.open("rb") as opened:
            parts, size = [], 0
            while size < most and (part := opened.read(most - size)):
                parts.append(part)
                size += len(part)
            return b"".join(parts)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, SuspiciousOperation):
        return None


def _big(text: str) -> str:
    return text[:1].upper() + text[1:]
