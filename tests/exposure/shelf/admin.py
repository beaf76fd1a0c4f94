"""The admin's side, with one action for each thing an action may do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext

from .models import Book, Branch


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    search_fields = ("title",)
    actions = (
        "make_published",
        "complain",
        "export",
        "stream",
        "much",
        "ask_more",
        "go_on",
        "go_back",
        "go_wrong",
        "deny",
        "fail",
        "remember",
        "say_nothing",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Book]:
        # Each sees what is of their own branch.
        return super().get_queryset(request).exclude(note=f"not for {request.user.username}")

    @admin.action(description="Mark %(verbose_name_plural)s as published", permissions=["change"])
    def make_published(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        LogEntry.objects.log_actions(request.user.pk, queryset, CHANGE, "Published.")
        count = queryset.update(published=True)
        self.message_user(request, format_html("<b>{}</b> &amp; published.", count))

    @admin.action
    def complain(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        queryset.update(note="complained")
        self.message_user(request, "All is well.", messages.SUCCESS)
        self.message_user(request, "Nothing is well.", messages.ERROR)

    @admin.action
    def export(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponse:
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="books.csv"'
        response.writelines(f"{book.title}\n" for book in queryset.order_by("title"))
        return response

    @admin.action
    def stream(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponseBase:
        return StreamingHttpResponse(iter([b"a", b"b"]), content_type="application/octet-stream")

    @admin.action
    def much(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponse:
        return HttpResponse(b"x" * (1024 * 1024 + 1), content_type="text/plain")

    @admin.action
    def ask_more(self, request: HttpRequest, queryset: QuerySet[Book]) -> Any:
        if request.POST.get("shelf"):
            queryset.update(note=f"on {request.POST['shelf']}")
            return HttpResponseRedirect(request.get_full_path())
        return TemplateResponse(request, "admin/base_site.html", {"title": "Which shelf?"})

    @admin.action
    def go_on(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponse:
        return HttpResponseRedirect("/somewhere/?ids=1")

    @admin.action
    def go_back(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponse:
        return HttpResponseRedirect(".")

    @admin.action
    def go_wrong(self, request: HttpRequest, queryset: QuerySet[Book]) -> HttpResponse:
        return HttpResponse("secret", status=409)

    @admin.action
    def deny(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        raise PermissionDenied("secret")

    @admin.action
    def fail(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        raise ValueError("secret")

    @admin.action
    def remember(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        request.session["seen"] = queryset.count()
        request.session.save()
        seen = [request.method, request.session["seen"], request.user.username, request.get_host()]
        words = gettext("Monday")
        self.message_user(request, f"{seen} {sorted(request.POST)} {words}")

    @admin.action
    def say_nothing(self, request: HttpRequest, queryset: QuerySet[Book]) -> None:
        queryset.update(note="said")


@admin.action(description="Close the %(verbose_name_plural)s")
def close(model_admin: Any, request: HttpRequest, queryset: QuerySet[Branch]) -> None:
    queryset.update(open=False)


@admin.register(Branch)
class BranchAdmin(admin.ModelAdmin):
    """With no action but that of every ModelAdmin, and one that only some requests know of."""

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        if request.user.username == "remover":
            actions["close"] = self.get_action(close)
        return actions
