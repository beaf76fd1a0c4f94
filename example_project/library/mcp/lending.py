"""Tools that change something, and that ask: the user, or the client's model.

Where a client cannot be asked while a call is running, the call ends with the question, and the
tool runs again from the top with the answer. So ask first, and change things afterwards.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from asgiref.sync import sync_to_async
from django import forms
from django.core.exceptions import ValidationError
from pydantic import BaseModel, Field

from django_mcp import (
    ClientCannotAnswer,
    Context,
    ToolError,
    default_server,
    questions,
    tool,
)

from ..models import Book, Loan, Reader
from .tools import get_book


# A sync tool with a context: what it does not await, it waits for.
@tool(destructive=False, scopes=["library:lend"])
def lend_book(ctx: Context, book_id: int, card_number: int) -> str:
    """Lend a book to a reader for four weeks."""
    try:
        book, reader = Book.objects.get(pk=book_id), Reader.objects.get(pk=card_number)
        loan = Loan.objects.lend(book, reader)
    except Book.DoesNotExist:
        raise ToolError(f"There is no book {book_id}.") from None
    except Reader.DoesNotExist:
        raise ToolError(f"No card has the number {card_number}.") from None
    except ValidationError as error:
        raise ToolError(" ".join(error.messages)) from None
    ctx.wait(ctx.info(f"Lent: {loan}."))
    # Clients that follow the book's resource read it again.
    ctx.notify_resource_updated(f"library://books/{book_id}")
    return f"{loan.book} is lent to {loan.reader} until {loan.due:%d %B %Y}."


# A yes or a no.
@tool(destructive=True, scopes=["library:lend"])
async def return_book(ctx: Context, book_id: int) -> str:
    """Take a book back, after asking the user whether it is really there."""
    loan = await Loan.objects.open().select_related("book").filter(book=book_id).afirst()
    if loan is None:
        raise ToolError(f"Book {book_id} is not on loan.")
    if not await ctx.confirm(f"Is {loan.book} back on the desk?"):
        return f"{loan.book} stays on loan."
    await sync_to_async(loan.give_back)()
    ctx.notify_resource_updated(f"library://books/{book_id}")
    return f"{loan.book} is back."


# A small form, as a question: a Django form, or any flat dataclass or pydantic model. What the user
# fills in is validated by the form, and by the model behind it.
class ReaderForm(forms.ModelForm):
    class Meta:
        model = Reader
        fields = ("name", "email", "kind")


@tool(destructive=False)
def register_reader(ctx: Context) -> str:
    """Make a library card for the user, who is asked for a name and an e-mail address."""
    answer = ctx.wait(ctx.ask("Who is the card for?", ReaderForm))
    if not answer.accepted:
        return "No card was made."
    reader = Reader.objects.create(**answer.data)
    return f"Welcome, {reader.name}. The number on your card is {reader.pk}."


# A form as the input of a tool: its fields are the arguments, and it validates them. `instance`
# finds the loan by an argument of its own.
class ExtensionForm(forms.ModelForm):
    class Meta:
        model = Loan
        fields = ("due",)

    def clean_due(self) -> date:
        if self.cleaned_data["due"] <= self.initial["due"]:
            raise ValidationError("A loan is extended to a later day.")
        return self.cleaned_data["due"]


def open_loan(book_id: int) -> Loan:
    return Loan.objects.open().get(book=book_id)


@tool.form(ExtensionForm, instance=open_loan, destructive=False)
def extend_loan(form: ExtensionForm) -> str:
    """Let the reader of a book keep it until another day."""
    loan = form.save()
    return f"{loan.book} is due on {loan.due:%d %B %Y}."


# Sampling: the client's own model does the writing, and the client pays for it.
@tool(read_only=True)
async def introduce_book(ctx: Context, book_id: int) -> str:
    """Introduce a book to somebody who has not read it."""
    book = await get_book(book_id)
    try:
        result = await ctx.sample(
            f"Introduce {book.title} by {book.author}. Subjects: {', '.join(book.subjects)}.",
            system_prompt="You are a librarian. Three sentences, and do not give the end away.",
            max_tokens=300,
        )
    except ClientCannotAnswer:
        return book.summary or f"A book about {', '.join(book.subjects)}."
    return result.text


# Several questions at once, so that the user and the model can answer side by side.
class Evening(BaseModel):
    day: Annotated[str, Field(description="When shall it be?")]
    guests: Annotated[int, Field(ge=1, le=30)] = 8


@tool(read_only=True)
async def plan_reading_evening(ctx: Context, book_id: int) -> str:
    """Plan an evening on which a book is read aloud."""
    book = await get_book(book_id)
    answers = await ctx.ask_all(
        {
            "evening": questions.form("An evening for how many, and when?", Evening),
            "invitation": questions.sample(f"Write one line that invites to {book.title}."),
        }
    )
    evening = answers["evening"]
    if not evening.accepted:
        return "No evening, then."
    return f"{evening.data.day}, {evening.data.guests} guests: {answers['invitation'].text}"


# An action of the admin, for the staff who find it there; and a prompt to pick the loans with.
default_server().add_admin_action(Loan, "give_back", title="Books came back", prompt=True)
