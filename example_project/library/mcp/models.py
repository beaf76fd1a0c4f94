"""Models as they are: what is named here can be seen, and nothing else.

Without the methods at the top Django's permissions would decide, and without a user nobody could
do anything. This library lets everybody in, as long as DEBUG is on.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from django_mcp import ModelResource, expose

from ..models import Author, Book, Loan, Subject


class Public(ModelResource):
    """Anybody may look."""

    def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
        return True


# Every tool there is, and resources at library://authors, of which every change is told.
@expose(Author)
class Authors(Public):
    fields = ("name", "born", "died", "books")
    search_fields = ("name",)
    ordering = ("name",)
    tools = ("list", "search", "get", "create", "update", "delete", "aggregate")

    def has_add_permission(self, ctx: Any, obj: Any = None) -> bool:
        return True

    has_change_permission = has_delete_permission = has_add_permission


# Read only, and a tool for questions of the host's own: {"group_by": ["author.name"], …}.
@expose(Book)
class Books(Public):
    name, plural = "catalogue_entry", "catalogue"
    fields = ("title", "author", "published", "language", "subjects", "summary")
    search_fields = ("title", "summary")
    tools = ("list", "get", "aggregate")
    query = True


# Who has a book is nobody's business: readers are not exposed, and neither are old loans.
@expose(Loan)
class Loans(Public):
    fields = ("book", "lent", "due", "is_overdue")
    tools = ("list",)

    def get_queryset(self, ctx: Any) -> QuerySet[Loan]:
        return Loan.objects.open()


expose(Subject, Public, fields=["name"], tools=["list"])
