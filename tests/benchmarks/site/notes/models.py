"""The one table; its name, notes_note, is also what the SDK's server reads."""

from __future__ import annotations

from django.db import models


class Note(models.Model):
    """A title and about 200 characters of text."""

    title = models.CharField(max_length=200)
    body = models.TextField()

    def __str__(self) -> str:
        return self.title
