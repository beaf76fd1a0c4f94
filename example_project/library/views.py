"""The library's pages: the start page, the catalogue, a book, what the library next door has."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.generic import DetailView, ListView

from django_mcp.client import ClientError
from django_mcp.client.auth import OAuthError
from django_mcp.remote.clients import NotConnected, ServerUnknown, aget_client
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


async def next_door(request: HttpRequest) -> HttpResponse:
    """What another library finds: the remote server that is called "next-door" in the admin."""
    words = request.GET.get("q", "")
    found = {"books": [], "problem": ""}
    if words:
        try:
            user = await request.auser()
            async with await aget_client("next-door", user=user, timeout=10) as client:
                result = await client.call_tool("search_books", {"words": words})
            found["books"] = result.data.books
        except NotConnected as error:
            return redirect(error.url_to(request.get_full_path()))
        except ServerUnknown:
            found["problem"] = "In the admin, nobody has said yet where the library next door is."
        except (ClientError, OAuthError):
            found["problem"] = "The library next door does not answer."
    return await sync_to_async(render)(request, "library/next_door.html", found)
