"""The library's pages and its admin."""

from __future__ import annotations

from io import StringIO

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import TestCase
from django.urls import reverse

from library.models import Book, Loan


class PageTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_library", stdout=StringIO())

    def test_the_start_page_says_how_to_connect(self) -> None:
        response = self.client.get("/", headers={"host": "localhost:8000"})
        self.assertContains(response, f"{Book.objects.count()} books")
        self.assertContains(
            response, "claude mcp add --transport http library http://localhost:8000/mcp"
        )
        for client in ("Claude Desktop", "VS Code", "Cursor"):
            self.assertContains(response, client)

    def test_a_command_says_how_to_connect(self) -> None:
        out = StringIO()
        call_command("how_to_connect", "http://localhost:8000", stdout=out)
        for part in ("http://localhost:8000/mcp", "ws://localhost:8000/ws", "mcp_stdio"):
            self.assertIn(part, out.getvalue())

    def test_the_catalogue_can_be_searched(self) -> None:
        response = self.client.get(reverse("library:books"), {"q": "melville whale"})
        self.assertContains(response, "Moby-Dick")
        self.assertNotContains(response, "Typee")

    def test_the_catalogue_keeps_the_search_from_page_to_page(self) -> None:
        response = self.client.get(reverse("library:books"), {"q": "love & society"})
        self.assertContains(response, "No book has all of these words.")
        response = self.client.get(reverse("library:books"), {"q": "love"})
        self.assertContains(response, "?q=love&amp;page=2")

    def test_a_page_of_the_catalogue_takes_few_queries(self) -> None:
        with self.assertNumQueries(2):
            self.client.get(reverse("library:books"))

    def test_a_book_says_whether_it_is_on_the_shelf(self) -> None:
        on_loan = Loan.objects.open().first().book
        self.assertContains(self.client.get(on_loan.get_absolute_url()), "On loan")
        on_the_shelf = Book.objects.available().first()
        self.assertContains(self.client.get(on_the_shelf.get_absolute_url()), "On the shelf")

    def test_the_admin_lists_and_searches_everything(self) -> None:
        self.client.force_login(User.objects.create_superuser("librarian"))
        for page in ("author", "book", "loan", "reader", "subject"):
            with self.subTest(page=page):
                url = reverse(f"admin:library_{page}_changelist")
                self.assertEqual(self.client.get(url, {"q": "a"}).status_code, 200)
        for status in ("open", "overdue", "returned"):
            with self.subTest(status=status):
                url = reverse("admin:library_loan_changelist")
                self.assertEqual(self.client.get(url, {"status": status}).status_code, 200)
