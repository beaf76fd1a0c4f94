"""The MCP side, over HTTP: what a client sends, and what it gets."""

from __future__ import annotations

import base64
from io import StringIO
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.urls import path

from config.urls import urlpatterns as pages
from django_mcp import Principal
from django_mcp.urls import mcp_view
from library.models import Book, Loan, Reader

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
CAPABILITIES = {"elicitation": {}, "sampling": {}}


def by_user_name(request: Any) -> Principal:
    """For these tests only: whoever says a name is believed."""
    user = User.objects.filter(username=request.headers.get("x-user")).first()
    return Principal(id=f"user:{user.pk}" if user else "anonymous", user=user)


urlpatterns = [path("mcp", mcp_view(authenticate=by_user_name)), *pages]


@override_settings(ROOT_URLCONF=__name__)
class MCPTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_library", stdout=StringIO())
        cls.book = Book.objects.get(title="Moby-Dick")
        cls.reader = Reader.objects.first()
        Loan.objects.filter(book=cls.book).delete()

    # ------------------------------------------------------------------------- saying something

    def request(self, method: str, params: dict[str, Any] | None = None, user: str = "") -> Any:
        """Send a request; returns its result or its error."""
        envelope = {
            META + "protocolVersion": VERSION,
            META + "clientInfo": {"name": "tests", "version": "1"},
            META + "clientCapabilities": CAPABILITIES,
        }
        params = {**(params or {}), "_meta": envelope}
        headers = {
            "host": "localhost",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": VERSION,
            "mcp-method": method,
            "x-user": user,
        }
        name = params.get("name") or params.get("uri")
        if name:
            headers["mcp-name"] = name
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply = self.client.post("/mcp", message, "application/json", headers=headers).json()
        return reply.get("result", reply.get("error"))

    def call(self, name: str, **arguments: Any) -> Any:
        return self.request("tools/call", {"name": name, "arguments": arguments})

    def answer(self, name: str, asked: Any, answers: list[Any], **arguments: Any) -> Any:
        """Send a call again with the answers to what it asked."""
        return self.request(
            "tools/call",
            {
                "name": name,
                "arguments": arguments,
                "requestState": asked["requestState"],
                "inputResponses": dict(zip(asked["inputRequests"], answers, strict=True)),
            },
        )

    def data(self, name: str, **arguments: Any) -> Any:
        return self.call(name, **arguments)["structuredContent"]

    def text(self, result: Any) -> str:
        return result["content"][0]["text"]

    # ---------------------------------------------------------------------------------- looking

    def test_a_tool_lists_an_authors_books(self) -> None:
        self.assertEqual(
            self.data("books_by", author="melville", since=1857),
            ["The Confidence-Man (1857)", "Billy Budd (1924)"],
        )

    def test_a_search_goes_on_where_it_ended(self) -> None:
        first = self.data("search_books", language="ru", limit=20)
        second = self.data("search_books", language="ru", limit=20, offset=first["next_offset"])
        found = {book["id"] for book in first["books"] + second["books"]}
        self.assertEqual(len(found), first["total"])
        self.assertIsNone(second["next_offset"])

    def test_a_search_can_be_for_what_is_on_the_shelf(self) -> None:
        Loan.objects.lend(self.book, self.reader)
        self.assertEqual(self.data("search_books", words="white whale")["total"], 1)
        self.assertEqual(
            self.data("search_books", words="white whale", only_on_shelf=True)["total"], 0
        )

    def test_arguments_that_do_not_fit_are_explained(self) -> None:
        result = self.call("search_books", limit=51)
        self.assertTrue(result["isError"])
        self.assertIn("limit", self.text(result))

    def test_a_book_that_does_not_exist_is_explained(self) -> None:
        result = self.call("get_book", book_id=0)
        self.assertTrue(result["isError"])
        self.assertEqual(self.text(result), "There is no book 0. Use search_books to find its id.")

    def test_the_overdue_loans_are_those_of_the_model(self) -> None:
        self.assertEqual(len(self.data("overdue_loans")), Loan.objects.overdue().count())

    def test_the_inventory_counts_what_is_on_the_shelf(self) -> None:
        counted = self.data("check_inventory")
        self.assertEqual(sum(counted.values()), Book.objects.available().count())

    def test_a_page_of_the_site_is_a_tool(self) -> None:
        page = self.text(self.call("browse_catalogue", q="white whale"))
        self.assertIn(f"[Moby-Dick]({self.book.get_absolute_url()})", page)
        self.assertIn("Page 1 of 1", page)

    def test_books_are_counted_by_decade(self) -> None:
        books = Book.objects.filter(published__range=(1850, 1859)).count()
        counted = self.call("count_by_decade", **{"from": 1850, "to": 1859})
        self.assertEqual(counted["structuredContent"], {"1850s": books})

    # ---------------------------------------------------------------------------------- lending

    def test_a_book_is_lent_once(self) -> None:
        lent = {"book_id": self.book.pk, "card_number": self.reader.pk}
        self.assertIn("is lent to", self.text(self.call("lend_book", **lent)))
        self.assertEqual(self.text(self.call("lend_book", **lent)), "This book is on loan already.")

    def test_a_book_comes_back_once_the_user_has_said_so(self) -> None:
        loan = Loan.objects.lend(self.book, self.reader)
        asked = self.call("return_book", book_id=self.book.pk)
        self.assertEqual(asked["resultType"], "input_required")

        result = self.answer("return_book", asked, [{"action": "decline"}], book_id=self.book.pk)
        loan.refresh_from_db()
        self.assertIsNone(loan.returned, result)

        yes = {"action": "accept", "content": {}}
        result = self.answer("return_book", asked, [yes], book_id=self.book.pk)
        loan.refresh_from_db()
        self.assertIsNotNone(loan.returned, result)

    def test_a_reader_fills_in_a_form(self) -> None:
        asked = self.call("register_reader")
        content = {"name": "Ottoline Preface", "email": "o.preface@example.org", "kind": "junior"}
        self.answer("register_reader", asked, [{"action": "accept", "content": content}])
        reader = Reader.objects.get(email="o.preface@example.org")
        self.assertEqual((reader.name, reader.kind), ("Ottoline Preface", "junior"))

    def test_a_loan_is_extended_to_another_day(self) -> None:
        loan = Loan.objects.lend(self.book, self.reader)
        result = self.call("extend_loan", book_id=self.book.pk, due="2999-12-31")
        self.assertIn("is due on 31 December 2999", self.text(result))

        result = self.call("extend_loan", book_id=self.book.pk, due="1999-12-31")
        self.assertTrue(result["isError"])
        self.assertIn("due: A loan is extended to a later day.", self.text(result))
        loan.refresh_from_db()
        self.assertEqual(loan.due.year, 2999)

    def test_a_book_that_is_not_lent_has_no_loan_to_extend(self) -> None:
        result = self.call("extend_loan", book_id=self.book.pk, due="2999-12-31")
        self.assertEqual(self.text(result), "Not found.")

    def test_the_model_introduces_a_book(self) -> None:
        asked = self.call("introduce_book", book_id=self.book.pk)
        result = self.answer(
            "introduce_book", asked, [model_says("Call him Ishmael.")], book_id=self.book.pk
        )
        self.assertEqual(self.text(result), "Call him Ishmael.")

    def test_the_user_and_the_model_are_asked_at_once(self) -> None:
        asked = self.call("plan_reading_evening", book_id=self.book.pk)
        evening = {"action": "accept", "content": {"day": "Friday", "guests": 3}}
        self.assertEqual(set(asked["inputRequests"]), {"evening", "invitation"})
        answers = {"evening": evening, "invitation": model_says("Come aboard.")}
        result = self.answer(
            "plan_reading_evening",
            asked,
            [answers[key] for key in asked["inputRequests"]],
            book_id=self.book.pk,
        )
        self.assertEqual(self.text(result), "Friday, 3 guests: Come aboard.")

    def test_only_who_may_see_readers_finds_the_tool_for_it(self) -> None:
        librarian = User.objects.create_user("librarian")
        librarian.user_permissions.add(Permission.objects.get(codename="view_reader"))
        for user, found in (("", False), ("librarian", True)):
            with self.subTest(user=user):
                tools = self.request("tools/list", user=user)["tools"]
                self.assertEqual("find_readers" in {tool["name"] for tool in tools}, found)

    def test_staff_uses_an_action_of_the_admin_and_nobody_else_sees_it(self) -> None:
        staff = User.objects.create_user("staff", is_staff=True)
        rights = Permission.objects.filter(codename__in=["view_loan", "change_loan"])
        staff.user_permissions.set(rights)
        loan = Loan.objects.lend(self.book, self.reader)
        arguments = {"name": "give_back_loan", "arguments": {"keys": [loan.pk]}}

        self.assertIn("Unknown tool", self.request("tools/call", arguments)["message"])
        result = self.request("tools/call", arguments, user="staff")
        self.assertEqual(self.text(result), "1 books are back.")
        loan.refresh_from_db()
        self.assertIsNotNone(loan.returned)

    # ---------------------------------------------------------------- contents, resources, prompts

    def test_a_cover_is_a_picture(self) -> None:
        [block] = self.call("show_cover", book_id=self.book.pk)["content"]
        self.assertEqual((block["type"], block["mimeType"]), ("image", "image/png"))

    def test_a_slip_is_text_a_file_and_a_link(self) -> None:
        Loan.objects.lend(self.book, self.reader)
        blocks = self.call("loan_slip", book_id=self.book.pk)["content"]
        self.assertEqual([block["type"] for block in blocks], ["text", "resource", "resource_link"])

    def test_every_resource_can_be_read(self) -> None:
        uris = [resource["uri"] for resource in self.request("resources/list")["resources"]]
        uris += [f"library://books/{self.book.pk}", f"library://books/{self.book.pk}/cover"]
        for uri in uris:
            with self.subTest(uri=uri):
                [contents] = self.request("resources/read", {"uri": uri})["contents"]
                self.assertEqual(contents["uri"], uri)
        self.assertEqual(base64.b64decode(contents["blob"])[1:4], b"PNG")

    def test_a_book_that_does_not_exist_has_no_resource(self) -> None:
        error = self.request("resources/read", {"uri": "library://books/0"})
        self.assertEqual(error["data"], {"uri": "library://books/0"})

    def test_every_prompt_can_be_filled_in(self) -> None:
        for prompt in self.request("prompts/list")["prompts"]:
            with self.subTest(prompt=prompt["name"]):
                arguments = {argument["name"]: "Moby-Dick" for argument in prompt["arguments"]}
                got = self.request("prompts/get", {"name": prompt["name"], "arguments": arguments})
                self.assertIn("Moby-Dick", got["messages"][0]["content"]["text"])

    def test_a_prompt_is_written_by_a_template(self) -> None:
        arguments = {"title": "moby"}
        got = self.request("prompts/get", {"name": "review", "arguments": arguments})
        self.assertIn("# Moby-Dick", got["messages"][0]["content"]["text"])

    def test_a_title_is_completed_among_the_books_of_the_author(self) -> None:
        result = self.request(
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "discuss"},
                "argument": {"name": "title", "value": "the"},
                "context": {"arguments": {"author": "Herman Melville"}},
            },
        )
        self.assertEqual(result["completion"]["values"], ["The Confidence-Man", "The Piazza Tales"])

    def test_the_id_of_a_book_is_completed(self) -> None:
        result = self.request(
            "completion/complete",
            {
                "ref": {"type": "ref/resource", "uri": "library://books/{book_id}"},
                "argument": {"name": "book_id", "value": str(self.book.pk)},
            },
        )
        self.assertIn(str(self.book.pk), result["completion"]["values"])


def model_says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": {"type": "text", "text": text}, "model": "a model"}
