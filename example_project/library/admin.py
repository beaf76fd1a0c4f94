"""The librarian's side: everything in the admin, searchable."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from .models import Author, Book, Loan, Reader, Subject


@admin.register(Author)
class AuthorAdmin(admin.ModelAdmin):
    list_display = ("name", "born", "died", "number_of_books")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Author]:
        return super().get_queryset(request).annotate(book_count=Count("books"))

    @admin.display(description="books", ordering="book_count")
    def number_of_books(self, author: Author) -> int:
        return author.book_count


@admin.register(Subject)
class SubjectAdmin(admin.ModelAdmin):
    search_fields = ("name",)


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ("title", "author", "published", "language", "on_the_shelf")
    list_filter = ("language", "subjects")
    list_select_related = ("author",)
    search_fields = ("title", "author__name", "summary")
    autocomplete_fields = ("author", "subjects")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Book]:
        return super().get_queryset(request).with_loan_status()

    @admin.display(boolean=True, ordering="on_loan")
    def on_the_shelf(self, book: Book) -> bool:
        return not book.on_loan


@admin.register(Reader)
class ReaderAdmin(admin.ModelAdmin):
    list_display = ("name", "email", "kind", "joined")
    list_filter = ("kind", "joined")
    search_fields = ("name", "email")


class StatusFilter(admin.SimpleListFilter):
    """Choose the loans that are open, overdue or returned."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("open", "open"), ("overdue", "overdue"), ("returned", "returned")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Loan]) -> QuerySet[Loan]:
        match self.value():
            case "open":
                return queryset.open()
            case "overdue":
                return queryset.overdue()
            case "returned":
                return queryset.filter(returned__isnull=False)
        return queryset


@admin.register(Loan)
class LoanAdmin(admin.ModelAdmin):
    list_display = ("book", "reader", "lent", "due", "returned", "is_late")
    list_filter = (StatusFilter, "due")
    list_select_related = ("book", "reader")
    search_fields = ("book__title", "reader__name")
    autocomplete_fields = ("book", "reader")
    date_hierarchy = "lent"
    actions = ("give_back",)

    @admin.action(description="Note that the books came back", permissions=["change"])
    def give_back(self, request: HttpRequest, queryset: QuerySet[Loan]) -> None:
        loans = list(queryset.open())
        for loan in loans:
            loan.give_back()
        self.message_user(request, f"{len(loans)} books are back.")

    @admin.display(boolean=True, description="overdue")
    def is_late(self, loan: Loan) -> bool:
        return loan.is_overdue
