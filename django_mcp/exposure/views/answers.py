"""A view's response, as what a tool returns.

JSON is data, a page is readable text, pictures and sounds are themselves, any other file is a blob.
A redirect says where it leads. What the view refused is an error with the view's own reasons, where
it gave them as data (a form, REST framework, Ninja), else with the name of its status. Of what
broke nothing is told: a status of 500 or more is raised, and answered in general words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.forms import BaseForm
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch
from django.utils.encoding import force_str

from ...server.content import Audio, File, Image
from ...server.errors import ToolError
from ..requests import CallRequest, messages_of
from .readable import text_of_page

#: Lines of what is wrong that are shown, and letters of each.
MOST_LINES: Final = 30
LONGEST_LINE: Final = 500

#: Words a caller can use, in place of the names of the statuses.
_REFUSED: Final[Mapping[int, str]] = {
    401: "Not permitted: the view asks who is calling, and this caller is nobody it knows.",
    403: "Not permitted: the view does not let this caller do that.",
    404: "Not found.",
    410: "Not found: it is gone.",
}
_LOGIN: Final = "Not permitted: the view asks this caller to log in as somebody who may."


class ViewFailed(Exception):
    """A view answered that it broke. Django has logged why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response of a view to `request`; `body` is all of its content."""

    tool: str
    request: CallRequest
    response: Any
    body: bytes

    def value(self) -> Any:
        """What the tool returns. Raises ToolError for what was refused, ViewFailed for a 5xx."""
        status = self.response.status_code
        if status >= 500:
            raise ViewFailed(
                f"The view of the tool {self.tool!r} answered with the status {status}."
            )
        if status >= 400:
            raise ToolError(self._refusal(status))
        if status >= 300:
            return self._redirect()
        if (form := self._refused_form()) is not None:
            raise ToolError(_lines("The form is not valid:", _of_form(form)))
        return self._content()

    # What worked

    def _content(self) -> Any:
        if not self.body:
            return "\n".join(["Done.", *self._messages()])
        data = self._data()
        if data is not _NO_DATA:
            return data
        if self._essence in ("text/html", "application/xhtml+xml") and not self._filename:
            return text_of_page(self._text) or "The page has no text."
        if self._essence.startswith("text/") and not self._filename:
            return self._text
        if self._essence.startswith("image/") and self._essence != "image/svg+xml":
            return Image(data=self.body, mime_type=self._essence)
        if self._essence.startswith("audio/"):
            return Audio(data=self.body, mime_type=self._essence)
        name = self._filename or self.request.path.rstrip("/").rpartition("/")[2] or "file"
        return File(data=self.body, name=name, mime_type=self._essence or None)

    def _redirect(self) -> str:
        location = self.response.get("Location")
        if not location:
            return f"The view answered {_phrase(self.response.status_code)}."
        if _is_login(location, self.request):
            raise ToolError(_LOGIN)
        words = f"The view redirects to {self.request.build_absolute_uri(location)}"
        if self.request.method != "GET":
            if self.response.status_code not in (302, 303):
                # The request is to be made again, there (RFC 9110, 15.4); or 301, which says so.
                raise ToolError(f"Nothing was done. {words}")
            words = f"Done. {words}"
        return "\n".join([words, *self._messages()])

    def _messages(self) -> Iterator[str]:
        """What the view said to its user by django.contrib.messages, for the page that follows."""
        for message in messages_of(self.request):
            yield force_str(message)

    # What did not

    def _refusal(self, status: int) -> str:
        data = self._data()
        said = [] if data is _NO_DATA else list(_problems(data))
        if status in (400, 409, 422):
            return _lines(f"{_phrase(status)}:", said) if said else f"{_phrase(status)}."
        words = _REFUSED.get(status, f"{_phrase(status)}.")
        if status == 405:
            words = f"The view does not take {self.request.method}."
        if status == 429 and (seconds := self.response.get("Retry-After", "")).isdigit():
            words = f"Too many requests: try again in {seconds} seconds."
        return _lines(words, said) if said else words

    def _refused_form(self) -> BaseForm | None:
        """The form that the view shows again, with what is wrong: a page, but no success."""
        if self.request.method == "GET":
            return None
        context = getattr(self.response, "context_data", None)
        form = context.get("form") if isinstance(context, Mapping) else None
        if isinstance(form, BaseForm) and form.is_bound and form.errors:
            return form
        return None

    # The body

    @property
    def _header(self) -> Message:
        header = Message()
        header["Content-Type"] = self.response.get("Content-Type", "")
        header["Content-Disposition"] = self.response.get("Content-Disposition", "")
        return header

    @property
    def _essence(self) -> str:
        given: str = self.response.get("Content-Type", "")
        return given.partition(";")[0].strip().lower()

    @property
    def _filename(self) -> str | None:
        """The name the view gave the file, if it is one to be kept."""
        name = self._header.get_filename()
        return re.sub(r"[\\/\x00-\x1f]", "_", name)[-200:] if name else None

    @property
    def _text(self) -> str:
        charset = getattr(self.response, "charset", None) or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def _data(self) -> Any:
        """The JSON of the body, `_NO_DATA` where it is none."""
        if self._essence != "application/json" and not self._essence.endswith("+json"):
            return _NO_DATA
        if self._filename:
            return _NO_DATA
        try:
            return json.loads(self.body, parse_constant=_no_number)
        except (ValueError, RecursionError):
            return _NO_DATA


_NO_DATA: Final = object()


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"The view refused with the status {status}"


def _lines(head: str, problems: list[str]) -> str:
    shown = [f"- {line[:LONGEST_LINE]}" for line in problems[:MOST_LINES]]
    if len(problems) > MOST_LINES:
        shown.append("- and more")
    return "\n".join([head, *shown])


def _of_form(form: BaseForm) -> list[str]:
    found: list[str] = []
    for name, errors in form.errors.items():
        where = "" if name == "__all__" else f"{name}: "
        found.extend(f"{where}{force_str(error)}" for error in errors)
    return found


def _problems(data: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """The texts in what a view says is wrong, each behind the place it is about.

    REST framework has {"field": ["…"]} and {"detail": "…"}, Ninja {"detail": [{"loc": […], "msg":
    "…"}]}; a view of the project's may have {"error": "…"} or {"errors": …}.
    """
    if depth > 6:
        return
    if isinstance(data, str):
        yield f"{path}: {data}" if path else data
    elif isinstance(data, list):
        for number, each in enumerate(data):
            place = path if isinstance(each, str) or _is_located(each) else f"{path}[{number}]"
            yield from _problems(each, place, depth + 1)
    elif isinstance(data, dict):
        if _is_located(data):
            steps = [str(step) for step in data["loc"]][1:]
            yield f"{'.'.join(steps)}: {force_str(data['msg'])}" if steps else data["msg"]
            return
        for key, each in data.items():
            yield from _problems(each, _place(path, str(key)), depth + 1)


def _place(path: str, key: str) -> str:
    if key in _UNNAMED:
        return path
    if key.isdigit():  # REST framework has a row of a list under its number.
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


#: Keys that say that something is wrong, and not with what.
_UNNAMED: Final = frozenset({"detail", "message", "error", "errors", "non_field_errors"})


def _is_located(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    return isinstance(data.get("loc"), list) and isinstance(data.get("msg"), str)


def _is_login(location: str, request: Any) -> bool:
    """True where `location` is a page to log in at: the project's, or one that leads back to what
    `request` is for."""
    target = urlsplit(location)
    names = _return_names(request)
    values = [value for name, value in parse_qsl(target.query) if name in names]
    if any(unquote(urlsplit(value).path) == request.path for value in values):
        return True
    try:
        login = urlsplit(resolve_url(settings.LOGIN_URL)).path
    except NoReverseMatch:
        return False
    return bool(target.path == login and login != request.path)


def _return_names(request: Any) -> set[str]:
    """What a login page is told under where to go back to: usually "next"; a view may differ."""
    view = getattr(request.resolver_match, "func", None)
    where = (view, getattr(view, "view_class", None))
    found = [getattr(each, "redirect_field_name", None) for each in where]
    return {REDIRECT_FIELD_NAME, *(name for name in found if isinstance(name, str))}
