"""Calls in the admin: the list with its filters, one call, and the list as CSV.

The summary of them is `summary`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import QuerySet
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from .. import conf
from ..models import Call, Session
from ..protocol.methods import METHODS
from . import dates
from .acting import may_inspect
from .pages import ReadOnlyAdmin, duration
from .sessions import RevisionFilter, ServerFilter

#: What is in the table as CSV.
EXPORTED: Final = (
    "called",
    "server",
    "method",
    "target",
    "outcome",
    "code",
    "milliseconds",
    "principal",
    "user_key",
    "user_label",
    "client",
    "client_version",
    "client_id",
    "session",
    "revision",
    "request_id",
    "received",
    "sent",
    "correlation",
    "arguments",
)


class MethodFilter(admin.SimpleListFilter):
    """The methods there are; the rows are not searched for others."""

    title = _("method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = [row for row in METHODS if row.sender == "client" and row.result is not None]
        return [(name, name) for name in sorted({row.name for row in rows})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(method=self.value())


class DurationFilter(admin.SimpleListFilter):
    """Calls that took long."""

    title = _("duration")
    parameter_name = "longer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("100", gettext("over 100 ms")),
            ("1000", gettext("over 1 s")),
            ("10000", gettext("over 10 s")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("100", "1000", "10000"):
            return queryset
        return queryset.filter(milliseconds__gt=float(self.value() or 0))


class CallAdmin(ReadOnlyAdmin):
    """What was called, by whom, and how it ended."""

    list_display = (
        "when",
        "target_shown",
        "outcome_shown",
        "who",
        "took",
        "method",
        "client_shown",
        "bytes_shown",
    )
    list_display_links = ("when",)
    list_filter = ("outcome", MethodFilter, DurationFilter, ServerFilter, RevisionFilter)
    search_fields = ("target", "user_label", "principal", "client", "=correlation")
    search_help_text = _("A tool, prompt or URI, a user, a client, or a correlation id")
    date_hierarchy = "called"
    ordering = ("-called", "-id")
    fieldsets = (
        (None, {"fields": ("called", "server", "method", "target", "outcome_shown", "code")}),
        (
            _("Who"),
            {
                "fields": (
                    "principal",
                    "user_shown",
                    "client_shown",
                    "client_id",
                    "session_shown",
                    "revision",
                )
            },
        ),
        (
            _("What"),
            {
                "fields": (
                    "took",
                    "received",
                    "sent",
                    "request_id",
                    "correlation_shown",
                    "arguments_shown",
                )
            },
        ),
    )
    actions = ("export_selected",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        more = {
            "is_kept": conf.get().audit,
            "dates": dates.of(request),
            "may_inspect": may_inspect(request.user),
            **(extra_context or {}),
        }
        return super().changelist_view(request, more)

    def more_urls(self) -> list[URLPattern]:
        return [
            self.page("summary/", self.summary_view, "summary"),
            self.page("export/", self.export_view, "export"),
            self.page("inspector/", self.inspector_view, "inspector"),
        ]

    # Columns

    @admin.display(description=pgettext_lazy("when a call was made", "called"), ordering="called")
    def when(self, call: Call) -> str:
        """To the second, and short."""
        moment = timezone.localtime(call.called) if timezone.is_aware(call.called) else call.called
        return f"{moment:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_shown(self, call: Call) -> str:
        text = f"{call.get_outcome_display()} ({call.code})" if call.code is not None else None
        return format_html(
            '<span class="mcp-outcome mcp-{}">{}</span>',
            call.outcome.replace("_", "-"),
            text or call.get_outcome_display(),
        )

    @admin.display(description=_("tool, prompt or URI"), ordering="target")
    def target_shown(self, call: Call) -> str:
        return (call.target if len(call.target) <= 40 else f"{call.target[:39]}…") or "-"

    @admin.display(description=_("user"), ordering="user_label")
    def who(self, call: Call) -> str:
        return call.user_label or call.principal

    @admin.display(description=_("client"), ordering="client")
    def client_shown(self, call: Call) -> str:
        return f"{call.client} {call.client_version}".strip() or "-"

    @admin.display(description=_("took"), ordering="milliseconds")
    def took(self, call: Call) -> str:
        return duration(call.milliseconds)

    @admin.display(description=_("bytes in / out"))
    def bytes_shown(self, call: Call) -> str:
        return " / ".join(
            number_format(number, force_grouping=True) for number in (call.received, call.sent)
        )

    # One call

    @admin.display(description=_("user"))
    def user_shown(self, call: Call) -> str:
        """The user's name then, with the way to the user where there still is one to see."""
        label = call.user_label or call.user_key
        model = _user_model()
        if not label or model is None or not self.admin_site.is_registered(model):
            return label or "-"
        options = model._meta
        name = f"{self.admin_site.name}:{options.app_label}_{options.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[call.user_key]), label)

    @admin.display(description=_("session"))
    def session_shown(self, call: Call) -> str:
        if not call.session or not Session.objects.filter(pk=call.session).exists():
            return call.session or "-"
        url = reverse(f"{self.admin_site.name}:django_mcp_session_change", args=[call.session])
        return format_html('<a href="{}">{}</a>', url, call.session)

    @admin.display(description=_("correlation id"))
    def correlation_shown(self, call: Call) -> str:
        """With the way to whatever else was noted under it."""
        url = reverse(f"{self.admin_site.name}:django_mcp_call_changelist")
        return format_html(
            '<a href="{}?correlation={}">{}</a>', url, call.correlation, call.correlation
        )

    @admin.display(description=_("arguments"))
    def arguments_shown(self, call: Call) -> str:
        if call.arguments is None:
            return gettext("Not kept.")
        written = json.dumps(call.arguments, indent=2, ensure_ascii=False)
        return format_html('<pre class="mcp-json">{}</pre>', written)

    # The list as a file

    @admin.action(description=_("Export selected calls as CSV"), permissions=["view"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Call]) -> Any:
        from .export import csv_response

        return csv_response(request, queryset, EXPORTED, "calls.csv")

    def export_view(self, request: HttpRequest) -> Any:
        """All that the filters of the list let through."""
        from .export import csv_response

        self._check(request)
        # The list itself is asked, with the same query string, so that it means the same.
        changes: Any = self.get_changelist_instance(request)
        return csv_response(request, changes.get_queryset(request), EXPORTED, "calls.csv")

    def summary_view(self, request: HttpRequest) -> HttpResponse:
        """Numbers of calls by tool, client and user."""
        from . import summary

        self._check(request)
        asked = request.GET
        found = summary.of(asked.get("period", ""), asked.get("server", ""))
        context: dict[str, Any] = {"summary": found, "is_kept": conf.get().audit}
        return self.rendered(request, "call/summary.html", _("Summary of calls"), **context)

    @method_decorator(sensitive_post_parameters())
    @method_decorator(non_atomic_requests)
    def inspector_view(self, request: HttpRequest) -> HttpResponse:
        """A server is tried out. Without a transaction around it: the call has its own, in a thread
        that would wait for this one."""
        from . import inspector

        if not may_inspect(request.user):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        return self.rendered(
            request, "call/inspector.html", _("Inspector"), page=inspector.page_of(request)
        )

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def _user_model() -> Any:
    """The model of users, None where the project has none."""
    try:
        return get_user_model()
    except ImproperlyConfigured:
        return None
