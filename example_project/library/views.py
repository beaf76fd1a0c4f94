"""The library's pages: the start page, the catalogue, a book."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.generic import DetailView, ListView

from django_mcp.transports.http.hosts import snippets

from .covers import draw
from .models import Author, Book, Loan


def start(request: HttpRequest) -> HttpResponse:
    """What this is, what it holds, and how to connect an MCP client to it."""
    mcp_url = request.build_absolute_uri("/mcp")
    context = {
        "books": Book.objects.count(),
        "authors": Author.objects.count(),
        "loans": Loan.objects.open().count(),
        "mcp_url": mcp_url,
        "clients": snippets("library", mcp_url),
    }
    return render(request, "library/start.html", context)


class BookList(ListView):
    """The catalogue, or what a search found in it."""

    paginate_by = 50

    def get_queryset(self) -> QuerySet[Book]:
        query = self.request.GET.get("q", "")
        return Book.objects.select_related("author").with_loan_status().search(query)


class BookDetail(DetailView):
    """One book."""

    def get_queryset(self) -> QuerySet[Book]:
        return Book.objects.select_related("author").with_loan_status()


def cover(request: HttpRequest, pk: int) -> HttpResponse:
    """The cover of a book."""
    return HttpResponse(draw(get_object_or_404(Book, pk=pk).title), content_type="image/png")
