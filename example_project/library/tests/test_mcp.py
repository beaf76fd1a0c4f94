"""The MCP side: what a client says, and what it gets."""

from __future__ import annotations

import base64
from io import StringIO
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import TestCase

from django_mcp.client import ServerError, ToolFailed, ToolResult
from django_mcp.testing import Client, assert_conforms
from library.models import Book, Loan, Reader


class MCPTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_library", stdout=StringIO())
        cls.book = Book.objects.get(title="Moby-Dick")
        cls.reader = Reader.objects.first()
        Loan.objects.filter(book=cls.book).delete()

    async def call(self, tool: str, *, answers: Any = None, **arguments: Any) -> ToolResult:
        """Call a tool as nobody in particular; `answers` are the user's."""
        async with Client(answers=answers) as client:
            result = await client.call_tool(tool, arguments)
            definition = next(each for each in await client.list_tools() if each.name == tool)
        assert_conforms(result, definition)
        return result

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool that says why it does not do as it is told."""
        with self.assertRaises(ToolFailed) as caught:
            await self.call(tool, **arguments)
        return caught.exception.result.text

    async def lend(self) -> Loan:
        return await sync_to_async(Loan.objects.lend)(self.book, self.reader)

    # ---------------------------------------------------------------------------------- looking

    async def test_a_tool_lists_an_authors_books(self) -> None:
        result = await self.call("books_by", author="melville", since=1857)
        self.assertEqual(result.data, ["The Confidence-Man (1857)", "Billy Budd (1924)"])

    async def test_a_search_goes_on_where_it_ended(self) -> None:
        search = {"language": "ru", "limit": 20}
        first = (await self.call("search_books", **search)).structured_content
        second = await self.call("search_books", **search, offset=first["next_offset"])
        found = {book["id"] for book in first["books"] + second.structured_content["books"]}
        self.assertEqual(len(found), first["total"])
        self.assertIsNone(second.structured_content["next_offset"])

    async def test_a_search_can_be_for_what_is_on_the_shelf(self) -> None:
        await self.lend()
        for only_on_shelf, total in ((False, 1), (True, 0)):
            found = await self.call(
                "search_books", words="white whale", only_on_shelf=only_on_shelf
            )
            self.assertEqual(found.structured_content["total"], total)

    async def test_arguments_that_do_not_fit_are_explained(self) -> None:
        self.assertIn("limit", await self.refused("search_books", limit=51))

    async def test_a_book_that_does_not_exist_is_explained(self) -> None:
        self.assertEqual(
            await self.refused("get_book", book_id=0),
            "There is no book 0. Use search_books to find its id.",
        )

    async def test_the_overdue_loans_are_those_of_the_model(self) -> None:
        listed = await self.call("overdue_loans")
        self.assertEqual(len(listed.data), await Loan.objects.overdue().acount())

    async def test_the_inventory_counts_what_is_on_the_shelf(self) -> None:
        async with Client() as client:
            counted = await client.call_tool("check_inventory")
        on_shelf = await Book.objects.available().acount()
        self.assertEqual(sum(counted.structured_content.values()), on_shelf)
        # It says how far it is.
        self.assertEqual(client.steps[-1].progress, client.steps[-1].total)

    async def test_a_page_of_the_site_is_a_tool(self) -> None:
        page = (await self.call("browse_catalogue", q="white whale")).text
        self.assertIn(f"[Moby-Dick]({self.book.get_absolute_url()})", page)
        self.assertIn("Page 1 of 1", page)

    async def test_books_are_counted_by_decade(self) -> None:
        books = await Book.objects.filter(published__range=(1850, 1859)).acount()
        counted = await self.call("count_by_decade", **{"from": 1850, "to": 1859})
        self.assertEqual(counted.structured_content, {"1850s": books})

    # ---------------------------------------------------------------------------------- lending

    async def test_a_book_is_lent_once(self) -> None:
        lent = {"book_id": self.book.pk, "card_number": self.reader.pk}
        self.assertIn("is lent to", (await self.call("lend_book", **lent)).text)
        self.assertEqual(await self.refused("lend_book", **lent), "This book is on loan already.")

    async def test_a_book_comes_back_once_the_user_has_said_so(self) -> None:
        loan = await self.lend()
        await self.call("return_book", answers=[False], book_id=self.book.pk)
        await loan.arefresh_from_db()
        self.assertIsNone(loan.returned)

        await self.call("return_book", answers=[True], book_id=self.book.pk)
        await loan.arefresh_from_db()
        self.assertIsNotNone(loan.returned)

    async def test_a_reader_fills_in_a_form(self) -> None:
        filled_in = {"name": "Ottoline Preface", "email": "o.preface@example.org", "kind": "junior"}
        await self.call("register_reader", answers=[filled_in])
        reader = await Reader.objects.aget(email="o.preface@example.org")
        self.assertEqual((reader.name, reader.kind), ("Ottoline Preface", "junior"))

    async def test_a_loan_is_extended_to_another_day(self) -> None:
        loan = await self.lend()
        result = await self.call("extend_loan", book_id=self.book.pk, due="2999-12-31")
        self.assertIn("is due on 31 December 2999", result.text)

        refused = await self.refused("extend_loan", book_id=self.book.pk, due="1999-12-31")
        self.assertIn("due: A loan is extended to a later day.", refused)
        await loan.arefresh_from_db()
        self.assertEqual(loan.due.year, 2999)

    async def test_a_book_that_is_not_lent_has_no_loan_to_extend(self) -> None:
        refused = await self.refused("extend_loan", book_id=self.book.pk, due="2999-12-31")
        self.assertEqual(refused, "Not found.")

    async def test_the_model_introduces_a_book(self) -> None:
        async with Client(samples=["Call him Ishmael."]) as client:
            result = await client.call_tool("introduce_book", {"book_id": self.book.pk})
        self.assertEqual(result.text, "Call him Ishmael.")

    async def test_the_user_and_the_model_are_asked_at_once(self) -> None:
        evening = {"day": "Friday", "guests": 3}
        async with Client(answers=[evening], samples=["Come aboard."]) as client:
            result = await client.call_tool("plan_reading_evening", {"book_id": self.book.pk})
        self.assertEqual(result.text, "Friday, 3 guests: Come aboard.")

    async def test_only_who_may_see_readers_finds_the_tool_for_it(self) -> None:
        librarian = await User.objects.acreate_user("librarian")
        await librarian.user_permissions.aadd(await Permission.objects.aget(codename="view_reader"))
        for user, found in ((None, False), (librarian, True)):
            with self.subTest(user=user):
                async with Client(user=user) as client:
                    tools = {tool.name for tool in await client.list_tools()}
                self.assertEqual("find_readers" in tools, found)

    async def test_staff_uses_an_action_of_the_admin_and_nobody_else_sees_it(self) -> None:
        staff = await User.objects.acreate_user("staff", is_staff=True)
        rights = Permission.objects.filter(codename__in=["view_loan", "change_loan"])
        await staff.user_permissions.aset(rights)
        loan = await self.lend()

        async with Client() as client:
            with self.assertRaisesMessage(ServerError, "Unknown tool"):
                await client.call_tool("give_back_loan", {"keys": [loan.pk]})
        async with Client(user=staff) as client:
            result = await client.call_tool("give_back_loan", {"keys": [loan.pk]})
        self.assertEqual(result.text, "1 books are back.")
        await loan.arefresh_from_db()
        self.assertIsNotNone(loan.returned)

    # ---------------------------------------------------------------- contents, resources, prompts

    async def test_a_cover_is_a_picture(self) -> None:
        [block] = (await self.call("show_cover", book_id=self.book.pk)).content
        self.assertEqual((block.type, block.mime_type), ("image", "image/png"))

    async def test_a_slip_is_text_a_file_and_a_link(self) -> None:
        await self.lend()
        blocks = (await self.call("loan_slip", book_id=self.book.pk)).content
        self.assertEqual([block.type for block in blocks], ["text", "resource", "resource_link"])

    async def test_every_resource_can_be_read(self) -> None:
        async with Client() as client:
            uris = [resource.uri for resource in await client.list_resources()]
            uris += [f"library://books/{self.book.pk}", f"library://books/{self.book.pk}/cover"]
            for uri in uris:
                with self.subTest(uri=uri):
                    [contents] = await client.read_resource(uri)
                    self.assertEqual(contents.uri, uri)
        self.assertEqual(base64.b64decode(contents.blob)[1:4], b"PNG")

    async def test_a_book_that_does_not_exist_has_no_resource(self) -> None:
        async with Client() as client:
            with self.assertRaises(ServerError) as caught:
                await client.read_resource("library://books/0")
        self.assertEqual(caught.exception.data, {"uri": "library://books/0"})

    async def test_every_prompt_can_be_filled_in(self) -> None:
        async with Client() as client:
            for prompt in await client.list_prompts():
                with self.subTest(prompt=prompt.name):
                    arguments = {argument.name: "Moby-Dick" for argument in prompt.arguments or ()}
                    got = await client.get_prompt(prompt.name, arguments)
                    self.assertIn("Moby-Dick", got.messages[0].content.text)

    async def test_a_prompt_is_written_by_a_template(self) -> None:
        async with Client() as client:
            got = await client.get_prompt("review", {"title": "moby"})
        self.assertIn("# Moby-Dick", got.messages[0].content.text)

    async def test_a_title_is_completed_among_the_books_of_the_author(self) -> None:
        async with Client() as client:
            completion = await client.complete(
                "title", "the", prompt="discuss", context={"author": "Herman Melville"}
            )
        self.assertEqual(completion.values, ["The Confidence-Man", "The Piazza Tales"])

    async def test_the_id_of_a_book_is_completed(self) -> None:
        async with Client() as client:
            completion = await client.complete(
                "book_id", str(self.book.pk), template="library://books/{book_id}"
            )
        self.assertIn(str(self.book.pk), completion.values)
