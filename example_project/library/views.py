"""The library's pages: the start page, the catalogue, a book."""

from __future__ import annotations

import json
import sys

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.generic import DetailView, ListView

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
        "clients": clients(mcp_url),
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


def clients(mcp_url: str) -> list[dict[str, str]]:
    """What to paste where, for the clients most people have."""
    # Claude Desktop starts the server itself. Where it lies is nobody's business but yours.
    here = settings.DEBUG
    stdio = {
        "command": sys.executable if here else "/path/to/.venv/bin/python",
        "args": [str(settings.BASE_DIR / "manage.py") if here else "manage.py", "mcp_stdio"],
    }
    return [
        {
            "name": "Claude Code",
            "where": "In a terminal:",
            "text": f"claude mcp add --transport http library {mcp_url}",
        },
        {
            "name": "Claude Desktop",
            "where": "In claude_desktop_config.json (Settings, Developer, Edit Config):",
            "text": json.dumps({"mcpServers": {"library": stdio}}, indent=2),
        },
        {
            "name": "VS Code",
            "where": "In .vscode/mcp.json:",
            "text": json.dumps(
                {"servers": {"library": {"type": "http", "url": mcp_url}}}, indent=2
            ),
        },
        {
            "name": "Cursor",
            "where": "In .cursor/mcp.json:",
            "text": json.dumps({"mcpServers": {"library": {"url": mcp_url}}}, indent=2),
        },
    ]
