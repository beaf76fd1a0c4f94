"""What a project may have in its models that is out of the ordinary."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.db import models


class Colour:
    """A value of a class of the project's own."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __str__(self) -> str:
        return f"the colour {self.code}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colour) and other.code == self.code

    def __hash__(self) -> int:
        return hash(self.code)

    def __len__(self) -> int:
        return len(self.code)


class ColourField(models.CharField):  # type: ignore[type-arg]
    """A column of text that is a `Colour` in Python."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else Colour(value)

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Colour) else Colour(value)

    def get_prep_value(self, value: Any) -> Any:
        return value.code if isinstance(value, Colour) else value


class SealField(models.Field):  # type: ignore[type-arg]
    """What is made of none of Django's own."""

    def db_type(self, connection: Any) -> str:
        return "varchar(10)"


class Paint(models.Model):
    """Known by a colour, in an order that leads through a relation that may be missing."""

    colour = ColourField(max_length=7, primary_key=True)
    undercoat: Any = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="topcoats"
    )
    others: Any = models.ManyToManyField("self", blank=True)
    price = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)

    class Meta:
        ordering = ("undercoat__price", "colour")

    def __str__(self) -> str:
        return "a paint"


class Remark(models.Model):
    """Said of any object."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=20)
    about = GenericForeignKey()
    text = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.text


class Ticket(models.Model):
    """With choices that JSON has no type for, and arguments' own names for fields."""

    day = models.DateField(
        choices=[(datetime.date(2026, 1, 1), "New Year"), (datetime.date(2026, 5, 1), "May Day")]
    )
    price = models.DecimalField(
        max_digits=5, decimal_places=2, choices=[(Decimal("1.50"), "reduced")], null=True
    )
    seats = models.IntegerField(
        choices=[(None, "Anywhere"), ("Stalls", [(1, "Front"), (2, "Back")])],
        null=True,
        blank=True,
    )
    self = models.IntegerField(default=0)
    function = models.CharField(max_length=10, blank=True)
    poster = models.FilePathField(path="/", blank=True)
    seal = SealField(default="", editable=False)
    scan = models.BinaryField(default=b"")
    remarks: Any = GenericRelation(Remark)
    visitors: Any = models.ManyToManyField("Visitor", through="Visit")

    def __str__(self) -> str:
        return f"a ticket for {self.day}"


class Visitor(models.Model):
    """Who may come twice with one ticket."""

    name = models.CharField(max_length=10)

    def __str__(self) -> str:
        return self.name


class Visit(models.Model):
    """A visitor with a ticket, once more."""

    ticket = models.ForeignKey(Ticket, models.CASCADE)
    visitor = models.ForeignKey(Visitor, models.CASCADE)

    def __str__(self) -> str:
        return f"{self.visitor} on {self.ticket}"


class Seat(models.Model):
    """Known by two values together, and by a word of its own."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    word = models.SlugField(unique=True)
    visitor = models.ForeignKey(Visitor, models.CASCADE, null=True, blank=True)

    def __str__(self) -> str:
        return self.word


class Maß(models.Model):
    """With names that are no words of ASCII."""

    größe = models.SlugField(unique=True)
    名前 = models.CharField(max_length=10)
    фото = models.FileField(blank=True)

    class Meta:
        verbose_name_plural = "Maße"

    def __str__(self) -> str:
        return self.名前


class Present(models.Manager["Guest"]):
    """Those who are there."""

    def get_queryset(self) -> models.QuerySet[Guest]:
        return super().get_queryset().filter(gone=False)


class Guest(models.Model):
    """Hidden by the default manager once they are gone."""

    name = models.CharField(max_length=10, unique=True)
    gone = models.BooleanField(default=False)

    objects = Present()
    everybody: models.Manager[Guest] = models.Manager()

    def __str__(self) -> str:
        return self.name


class Rack(models.Model):
    """Lists, as only PostgreSQL has them. Tests make the table."""

    words: Any = ArrayField(models.CharField(max_length=5), default=list, blank=True)
    grid: Any = ArrayField(ArrayField(models.IntegerField(), size=2), null=True, blank=True)
    prices: Any = ArrayField(
        models.DecimalField(max_digits=30, decimal_places=10), null=True, blank=True
    )
    moments: Any = ArrayField(models.DateTimeField(), null=True, blank=True)
    days: Any = DateRangeField(null=True, blank=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return "a rack"
