"""Branches of a library, and the books on their shelves."""

from __future__ import annotations

from django.db import models


class Branch(models.Model):
    """A place with shelves."""

    code = models.CharField(max_length=10, unique=True)
    open = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "branches"

    def __str__(self) -> str:
        return f"Branch {self.code}"


class Tag(models.Model):
    """What a book is about."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    """A book."""

    class Kind(models.IntegerChoices):
        NOVEL = 1, "A novel"
        POEMS = 2, "Poems"

    title = models.CharField(max_length=40, unique=True)
    pages = models.PositiveIntegerField(default=100)
    kind = models.IntegerField(choices=Kind, default=Kind.NOVEL)
    branch = models.ForeignKey(Branch, models.PROTECT, null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    published = models.BooleanField(default=False)
    note = models.TextField(blank=True, help_text="For the staff.")

    def __str__(self) -> str:
        return self.title
