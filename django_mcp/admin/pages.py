"""What the pages have in common: nobody writes, long tables stay fast, and pages beside the usual.

Owns the base of the model admins, the paginator that does not count a table to its end, and how a
duration is written. Django imports the admin wherever it is set up, so what a page needs beyond its
list is imported when that page is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import number_format
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    # Django's own classes take no parameters.
    _Paginator = Paginator
    _ModelAdmin = admin.ModelAdmin

#: Rows that are counted; who looks for one further back filters.
MOST_COUNTED: Final = 10_000


class BoundedPaginator(_Paginator):
    """Counts no more than `MOST_COUNTED` rows: the number of all takes a look at each of them."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MOST_COUNTED].count())


class ReadOnlyAdmin(_ModelAdmin):
    """Rows that are looked at, and may be deleted."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 200

    class Media:
        css: ClassVar = {"all": ("django_mcp/admin.css",)}

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        return [*self.more_urls(), *super().get_urls()]

    def more_urls(self) -> list[URLPattern]:
        """Pages beside those of a list and its rows."""
        return []

    def page(self, route: str, view: Callable[..., Any], name: str) -> URLPattern:
        """A page of this admin, for those who may enter it; who may see it, the view says."""
        options = self.opts
        return path(
            route,
            self.admin_site.admin_view(view),
            name=f"{options.app_label}_{options.model_name}_{name}",
        )

    def rendered(
        self, request: HttpRequest, template: str, title: Any, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page with what the admin's own have around them."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/django_mcp/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "media": self.media,
                **context,
            },
            status=status,
        )


def duration(milliseconds: float) -> str:
    """A duration in the unit that suits it."""
    if milliseconds >= 60_000:
        return _("%(number)s min") % {"number": decimal(milliseconds / 60_000)}
    if milliseconds >= 1000:
        return _("%(number)s s") % {"number": decimal(milliseconds / 1000)}
    number = f"{milliseconds:.0f}" if milliseconds >= 10 else decimal(milliseconds)
    return _("%(number)s ms") % {"number": number}


def decimal(number: float) -> str:
    """A number with one place, as it is written in the language of the page."""
    return number_format(f"{number:.1f}")
