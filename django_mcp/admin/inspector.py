"""The inspector: a page on which a server is tried out as a user.

Owns the page: what was asked for in it, the call, and the second step in which questions are
answered. As whom somebody may act is `acting`, how the server is asked `inspection`, what a schema
is filled in with `schema_forms`. Lists are read with GET, calls are made with POST alone; each call
is noted in the admin's log before it is made, and by the server's journal as any other.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from ..management.calling.arguments import loaded
from ..models import Call
from ..protocol.uri_templates import UriTemplate
from ..server.access import Principal
from . import acting
from .inspection import Inspection, ListRefused, Outcome
from .schema_forms import SchemaForm
from .sessions import known_servers


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the lists of a server, and how a member of it is used."""

    name: str
    title: Any
    list_method: str
    member: str
    key: str
    method: str
    argument: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                name="tools",
                title=gettext_lazy("Tools"),
                list_method="tools/list",
                member="tools",
                key="name",
                method="tools/call",
                argument="name",
            ),
            Kind(
                name="resources",
                title=gettext_lazy("Resources"),
                list_method="resources/list",
                member="resources",
                key="uri",
                method="resources/read",
                argument="uri",
            ),
            Kind(
                name="templates",
                title=gettext_lazy("Resource templates"),
                list_method="resources/templates/list",
                member="resourceTemplates",
                key="uriTemplate",
                method="resources/read",
                argument="uri",
            ),
            Kind(
                name="prompts",
                title=gettext_lazy("Prompts"),
                list_method="prompts/list",
                member="prompts",
                key="name",
                method="prompts/get",
                argument="name",
            ),
        )
    }
)

_CORRELATION: Final = re.compile("[0-9a-f]{32}")

#: What a user can do with a question.
_ACTIONS: Final = (
    ("accept", pgettext_lazy("what to do with a question", "Accept")),
    ("decline", pgettext_lazy("what to do with a question", "Decline")),
    ("cancel", pgettext_lazy("what to do with a question", "Dismiss")),
)


@dataclass(kw_only=True)
class Question:
    """A question of the server, and the form it is answered with."""

    key: str
    number: int
    message: str
    url: str
    form: SchemaForm
    chosen: str = "accept"

    @property
    def field(self) -> str:
        return f"action_{self.number}"


@dataclass(kw_only=True)
class Page:
    """What the page shows, as far as it got."""

    server: Any
    servers: list[str]
    username: str
    kind: Kind
    kinds: list[Kind]
    members: list[Mapping[str, Any]] = field(default_factory=list)
    chosen: Mapping[str, Any] | None = None
    chosen_key: str = ""
    form: SchemaForm | None = None
    arguments: str = "{}"
    outcome: Outcome | None = None
    questions: list[Question] = field(default_factory=list)
    state: str = ""
    problem: str = ""
    is_json: bool = False
    actions: tuple[tuple[str, Any], ...] = _ACTIONS

    @property
    def schema(self) -> str:
        return written(_schema(self.kind, self.chosen or {}))

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        """The members of the list: the key of each, a title, and whether it is the chosen one."""
        found = []
        for member in self.members:
            key = str(member.get(self.kind.key, ""))
            found.append((key, str(member.get("title") or ""), key == self.chosen_key))
        return found

    @property
    def result(self) -> str:
        return written((self.outcome and (self.outcome.result or self.outcome.error)) or {})

    @property
    def asked(self) -> str:
        """The questions as they came, for the round in which they are answered."""
        return json.dumps(self.outcome.questions if self.outcome is not None else {})

    @property
    def texts(self) -> list[str]:
        """What the result says in words."""
        return list(_texts((self.outcome and self.outcome.result) or {}))

    @property
    def failed(self) -> bool:
        outcome = self.outcome
        return outcome is not None and (
            outcome.result is None or outcome.result.get("isError") is True
        )

    @property
    def said(self) -> list[tuple[str, str]]:
        said = [] if self.outcome is None else self.outcome.said
        return [(str(each["method"]), written(each["params"])) for each in said]


def page_of(request: HttpRequest) -> Page:
    """The page that `request` asks for; with POST, after the call that it makes."""
    given = request.POST if request.method == "POST" else request.GET
    servers = known_servers()
    server = servers.get(given.get("server", ""), next(iter(servers.values())))
    username = given.get("user", request.user.get_username())
    kind = KINDS.get(given.get("kind", ""), KINDS["tools"])
    page = Page(
        server=server,
        servers=sorted(servers),
        username=username,
        kind=kind,
        kinds=list(KINDS.values()),
        chosen_key=given.get("name", ""),
    )
    try:
        principal = acting.principal_for(request.user, username)
    except acting.NotAllowed as refused:
        page.problem = str(refused)
        return page
    origin = f"{request.scheme}://{request.get_host()}"
    inspection = Inspection(server, principal, origin)
    try:
        page.members = async_to_sync(inspection.listed)(kind.list_method, kind.member)
    except ListRefused as refused:
        page.problem = str(refused)
        return page
    page.chosen = next(
        (each for each in page.members if each.get(kind.key) == page.chosen_key), None
    )
    if page.chosen is None:
        if page.chosen_key:
            page.problem = gettext("There is no %(name)r here.") % {"name": page.chosen_key}
        return page
    page.form = SchemaForm(_schema(kind, page.chosen))
    if request.method == "POST":
        _call(request, page, inspection, principal)
    return page


def _call(request: HttpRequest, page: Page, inspection: Inspection, principal: Principal) -> None:
    given = request.POST
    try:
        arguments = _arguments(request, page)
        responses = _responses(request) if given.get("state") else None
    except forms.ValidationError as error:
        page.problem = " ".join(error.messages)
        return
    page.arguments = written(arguments)
    params = _params(page, arguments)
    if responses is not None:
        params = {**params, "inputResponses": responses, "requestState": given["state"]}
    # Rounds of a call are noted under the id of the first.
    before = given.get("correlation", "") if responses is not None else ""
    correlation = before if _CORRELATION.fullmatch(before) else secrets.token_hex(16)
    _note(request, page, principal, correlation)
    page.outcome = async_to_sync(inspection.ask)(page.kind.method, params, correlation=correlation)
    page.state = str((page.outcome.result or {}).get("requestState") or "")
    page.questions = [
        _question(number, key, asked)
        for number, (key, asked) in enumerate(page.outcome.questions.items())
    ]


def _arguments(request: HttpRequest, page: Page) -> dict[str, Any]:
    """The arguments as the form has them, or as they are written in JSON; raises ValidationError"""
    given = request.POST
    if given.get("as") == "form":
        form = page.form = SchemaForm(_schema(page.kind, page.chosen or {}), given)
        if not form.is_valid():
            raise forms.ValidationError(
                gettext("Some fields cannot be read: see what is said beside them.")
            )
        return form.arguments
    page.is_json = not given.get("state")
    page.arguments = given.get("arguments", "{}")
    try:
        found = loaded(page.arguments or "{}")
    except ValueError as error:
        said = gettext("The arguments are not JSON: %(error)s")
        raise forms.ValidationError(said % {"error": error}) from None
    if not isinstance(found, dict):
        raise forms.ValidationError(gettext("The arguments are a JSON object."))
    return found


def _params(page: Page, arguments: dict[str, Any]) -> dict[str, Any]:
    kind, key = page.kind, page.chosen_key
    if kind.name == "templates":
        return {kind.argument: UriTemplate(key).expand(_words(arguments))}
    if kind.name == "resources":
        return {kind.argument: key}
    if kind.name == "prompts":
        return {kind.argument: key, "arguments": _words(arguments)}
    return {kind.argument: key, "arguments": arguments}


def _words(arguments: dict[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
    }


def _question(number: int, key: str, asked: Any) -> Question:
    params = asked.get("params", {}) if isinstance(asked, Mapping) else {}
    schema = params.get("requestedSchema") or {}
    url = str(params.get("url") or "")
    return Question(
        key=key,
        number=number,
        message=str(params.get("message", "")),
        url=url if url.startswith(("https://", "http://")) else "",
        form=SchemaForm(schema, prefix=f"q{number}"),
    )


def _responses(request: HttpRequest) -> dict[str, Any]:
    """The answers to the questions of the round before, whose forms came along; raises
    ValidationError."""
    given = request.POST
    try:
        asked = loaded(given.get("asked", "{}"))
        pairs = list(asked.items())
    except (ValueError, AttributeError):
        said = gettext("The questions cannot be read any more: call again.")
        raise forms.ValidationError(said) from None
    found: dict[str, Any] = {}
    for number, (key, question) in enumerate(pairs):
        action = given.get(f"action_{number}", "cancel")
        if action != "accept":
            found[key] = {"action": "decline" if action == "decline" else "cancel"}
            continue
        schema = (question.get("params") or {}).get("requestedSchema") or {}
        form = SchemaForm(schema, given, prefix=f"q{number}")
        if not form.is_valid():
            problems = "; ".join(
                f"{form.fields[name].label}: {' '.join(map(str, errors))}"
                for name, errors in form.errors.items()
            )
            said = gettext("An answer cannot be read: %(problems)s. Call again.")
            raise forms.ValidationError(said % {"problems": problems})
        found[key] = {"action": "accept", "content": form.arguments}
    return found


def _note(request: HttpRequest, page: Page, principal: Principal, correlation: str) -> None:
    """Say in the admin's log who calls what as whom, before it is done."""
    whom = principal.user.get_username() if principal.user is not None else "nobody"
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(Call),
        object_id=None,
        object_repr=f"{page.server.name}: {page.kind.method} {page.chosen_key}"[:200],
        action_flag=CHANGE,
        change_message=f"In the inspector, as {whom}. Correlation id {correlation}.",
    )


# ---------------------------------------------------------------------------------- what is shown


def _schema(kind: Kind, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the chosen one takes, as the schema of an object."""
    if kind.name == "tools":
        schema = chosen.get("inputSchema")
        return schema if isinstance(schema, Mapping) else {}
    if kind.name == "prompts":
        arguments = [each for each in chosen.get("arguments") or () if isinstance(each, Mapping)]
        return {
            "properties": {
                each["name"]: {"type": "string", "description": each.get("description", "")}
                for each in arguments
            },
            "required": [each["name"] for each in arguments if each.get("required")],
        }
    if kind.name == "templates":
        variables = UriTemplate(str(chosen.get("uriTemplate", ""))).variables
        return {"properties": {variable.name: {"type": "string"} for variable in variables}}
    return {}


def _texts(result: Mapping[str, Any]) -> Any:
    blocks = [*(result.get("content") or ()), *(result.get("contents") or ())]
    blocks += [message.get("content") for message in result.get("messages") or ()]
    for block in blocks:
        if not isinstance(block, Mapping):
            continue
        if isinstance(block.get("text"), str):
            yield block["text"]
            continue
        data = block.get("data") or block.get("blob")
        if isinstance(data, str):
            size = number_format(len(data) * 3 // 4, force_grouping=True)
            said = {"type": block.get("mimeType", "binary"), "size": size}
            # Translators: in place of a picture or a sound: [image/png, 1,024 bytes]
            yield gettext("[%(type)s, %(size)s bytes]") % said


def written(value: Any) -> str:
    """JSON for people; half of a surrogate pair, which no page can hold, as its escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()
