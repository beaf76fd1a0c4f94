"""Sessions in the admin: who is there with which client, and an end to it.

Of events there are only numbers: what was said in them is the callers' own. What ending a session
means is `server.conversations`.
"""

from __future__ import annotations

import time
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..backends.stores import limits_of, stores
from ..default import default_server, servers
from ..models import Call, Session, StreamEvent
from ..protocol.revisions import REVISIONS
from ..server.conversations import end_session
from .pages import ReadOnlyAdmin


class StateFilter(admin.SimpleListFilter):
    """Open sessions, or those that were ended."""

    title = pgettext_lazy("of a session", "state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", pgettext("state of a session", "open")),
            ("ended", pgettext("state of a session", "ended")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(ended__isnull=self.value() == "open")


class ServerFilter(admin.SimpleListFilter):
    """The servers of this project; the rows are not searched for others."""

    title = _("server")
    parameter_name = "server"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(server.name, server.title or server.name) for server in known_servers().values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(server=self.value())


class RevisionFilter(admin.SimpleListFilter):
    """The revisions of the protocol."""

    title = _("protocol revision")
    parameter_name = "revision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(revision.name, revision.name) for revision in reversed(REVISIONS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(revision=self.value())


def known_servers() -> dict[str, Any]:
    """The servers of this process, by name."""
    return {server.name: server for server in (*servers(), default_server())}


class SessionAdmin(ReadOnlyAdmin):
    """Sessions of clients up to 2025-11-25, where they are kept in the database."""

    list_display = (
        "client",
        "who",
        "server",
        "revision",
        "created",
        "used",
        "state",
        "open_streams",
    )
    list_display_links = ("client",)
    list_filter = (StateFilter, ServerFilter, RevisionFilter)
    search_fields = ("user_label", "=owner", "=key", "client_info")
    search_help_text = _("A user, the principal, the key, or the name of the client")
    ordering = ("-used", "key")
    fields = (
        "key",
        "server",
        "client",
        "who",
        "owner",
        "revision",
        "stage",
        "state",
        "created",
        "used",
        "ended",
        "open_streams",
        "events",
        "followed_resources",
        "log_level",
        "capabilities_shown",
        "calls",
    )
    actions = ("end_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        events = StreamEvent.objects.filter(session=OuterRef("pk")).order_by().values("session")
        counted = {
            "event_count": Count("pk"),
            "stream_count": Count("stream", distinct=True),
            "last_count": Count("pk", filter=Q(is_last=True)),
        }
        rows: QuerySet[Session] = super().get_queryset(request)
        return rows.annotate(
            **{
                name: Coalesce(Subquery(events.annotate(number=count).values("number")), 0)
                for name, count in counted.items()
            }
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Of what clients say of themselves, only the name is looked through."""
        if not search_term:
            return queryset, False
        term = search_term.strip()
        found = Q(owner=term) | Q(key=term) | Q(user_label__icontains=term)
        found |= Q(client_info__name__icontains=term)
        return queryset.filter(found), False

    @admin.display(description=_("client"))
    def client(self, session: Session) -> str:
        return client_of(session.client_info)

    @admin.display(description=_("user"), ordering="user_label")
    def who(self, session: Session) -> str:
        return session.user_label or session.owner

    @admin.display(description=pgettext_lazy("of a session", "state"), ordering="ended")
    def state(self, session: Session) -> str:
        if session.ended is not None:
            return pgettext("state of a session", "ended")
        limits = limits_of(conf.get())
        created, used = session.created.timestamp(), session.used.timestamp()
        if limits.is_over(created, used, time.time()):
            return pgettext("state of a session", "over")
        return pgettext("state of a session", "open")

    @admin.display(description=_("streams not at their end"))
    def open_streams(self, session: Any) -> int:
        return int(session.stream_count - session.last_count)

    @admin.display(description=_("events kept"))
    def events(self, session: Any) -> int:
        return int(session.event_count)

    @admin.display(description=_("resources followed"))
    def followed_resources(self, session: Session) -> str:
        return "\n".join(session.followed) or "-"

    @admin.display(description=_("capabilities of the client"))
    def capabilities_shown(self, session: Session) -> str:
        return ", ".join(sorted(map(str, session.capabilities))) or "-"

    @admin.display(description=_("calls"))
    def calls(self, session: Session) -> str:
        url = reverse(f"{self.admin_site.name}:django_mcp_call_changelist")
        count = Call.objects.filter(session=session.key).count()
        return format_html('<a href="{}?session={}">{}</a>', url, session.key, count)

    # Ending sessions

    def more_urls(self) -> list[URLPattern]:
        return [self.page("<path:key>/end/", self.end_view, "end")]

    def end_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """The button of a session's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        session = self.get_object(request, key)
        if not self.has_delete_permission(request, session):
            raise PermissionDenied
        if session is None:
            raise Http404
        self._end(request, [session])
        return HttpResponseRedirect(
            reverse(f"{self.admin_site.name}:django_mcp_session_change", args=[key])
        )

    @admin.action(description=_("End selected sessions"), permissions=["delete"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        self._end(request, queryset.filter(ended=None))

    def _end(self, request: HttpRequest, sessions: Any) -> None:
        ended = sum(end(session) for session in sessions)
        for session in sessions if ended else ():
            self.log_change(request, session, "Ended.")
        self.message_user(
            request,
            ngettext("%d session was ended.", "%d sessions were ended.", ended) % ended
            if ended
            else gettext("No session was open any more."),
            messages.SUCCESS if ended else messages.WARNING,
        )

    # Deleting a session ends it first

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        # Before the transaction that Django opens here: the store has one of its own, in a thread
        # that would wait for this one.
        if request.method == "POST" and request.POST:
            session = self.get_object(request, object_id)
            if session is not None and self.has_delete_permission(request, session):
                end(session)
        return super().delete_view(request, object_id, extra_context)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        for session in queryset.filter(ended=None):
            end(session)
        Session.objects.filter(pk__in=keys).delete()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The sessions themselves; their events go with them, and may be thousands."""
        shown = [str(session) for session in objs]
        needed = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return shown, {self.opts.verbose_name_plural: len(shown)}, needed, []


def end(session: Session) -> bool:
    """End a session at every process; False where it was over already."""
    server = known_servers().get(session.server)
    if server is None:
        # A server that is not there any more has no connections either.
        return bool(async_to_sync(stores()[0].end)(session.key))
    return async_to_sync(end_session)(server, session.key)


def client_of(info: Any) -> str:
    """What a client says it is, in a few words."""
    said = [info.get(name) for name in ("name", "version")] if isinstance(info, dict) else []
    return " ".join(text[:100] for text in said if isinstance(text, str)) or "-"
