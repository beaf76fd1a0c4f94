"""The switches in the admin: a server is closed, and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import conf
from ..backends.switches import is_used, switches
from ..models import Switch
from .sessions import known_servers

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Switch]
else:
    _ModelAdmin = admin.ModelAdmin


class SwitchAdmin(_ModelAdmin):
    """Which servers are closed. What is changed here holds in every process within seconds."""

    list_display = ("server", "closed", "reason", "retry_after", "changed")
    fields = ("server", "closed", "reason", "retry_after", "changed")
    readonly_fields = ("changed",)
    actions = ("close", "open")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A server is chosen among those there are."""
        if db_field.name == "server":
            names = sorted(known_servers())
            choices = [(name, name) for name in names]
            return forms.ChoiceField(choices=choices, label=capfirst(db_field.verbose_name))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("changed",) if obj is None else ("server", "changed")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if not is_used(conf.get()):
            self.message_user(
                request,
                gettext('Switches are not heeded: set DJANGO_MCP["KILL_SWITCH"] to True.'),
                "WARNING",
            )
        return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: Switch, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        switches().forget()

    def delete_model(self, request: HttpRequest, obj: Switch) -> None:
        super().delete_model(request, obj)
        switches().forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Switch]) -> None:
        super().delete_queryset(request, queryset)
        switches().forget()

    @admin.action(description=_("Close selected servers"), permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[Switch]) -> None:
        self._turn(request, queryset, closed=True)

    @admin.action(description=_("Open selected servers"), permissions=["change"])
    def open(self, request: HttpRequest, queryset: QuerySet[Switch]) -> None:
        self._turn(request, queryset, closed=False)

    def _turn(self, request: HttpRequest, queryset: QuerySet[Switch], *, closed: bool) -> None:
        for switch in queryset:
            switch.closed = closed
            switch.save(update_fields=["closed", "changed"])
            self.log_change(request, switch, "Closed." if closed else "Opened.")
        switches().forget()
        done = (
            gettext("Closed. Every process heeds it within seconds.")
            if closed
            else gettext("Opened. Every process heeds it within seconds.")
        )
        self.message_user(request, done)
