"""A depot: things in rooms, with makers, tags, a passport and papers."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Country(models.Model):
    """Where makers are. Countries may be hidden from some callers."""

    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=50)
    hidden = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name

    def natural_key(self) -> tuple[str]:
        return (self.code,)


class Maker(models.Model):
    """Who made a thing."""

    name = models.CharField(max_length=50, unique=True)
    country = models.ForeignKey(Country, on_delete=models.CASCADE, null=True, blank=True)
    salary = models.IntegerField(default=0, help_text="Nobody is to see this.")

    class Meta:
        ordering = ("salary",)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word on a thing."""

    word = models.CharField(max_length=20, unique=True)
    secret_weight = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.word


class Thing(models.Model):
    """A thing in the depot."""

    class State(models.TextChoices):
        NEW = "new", "As new"
        USED = "used", "Used"

    name = models.CharField("what it is", max_length=100)
    slug = models.SlugField(unique=True)
    notes = models.TextField(blank=True)
    count = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    weight = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=4, choices=State, default=State.NEW)
    level = models.SmallIntegerField(choices=[(1, "Low"), (2, "High")], null=True, blank=True)
    fragile = models.BooleanField(default=False)
    made_on = models.DateField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    opens = models.TimeField(null=True, blank=True)
    kept_for = models.DurationField(null=True, blank=True)
    code = models.UUIDField(default=uuid.uuid4)
    address = models.GenericIPAddressField(null=True, blank=True)
    data = models.JSONField(null=True, blank=True)
    picture = models.FileField(upload_to="things", blank=True)
    maker = models.ForeignKey(Maker, on_delete=models.PROTECT, null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    password = models.CharField(max_length=50, blank=True)
    api_token = models.CharField(max_length=50, blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def shout(self) -> str:
        """The name, loudly."""
        return self.name.upper()


class Paper(models.Model):
    """What belongs to a thing."""

    thing = models.ForeignKey(Thing, on_delete=models.CASCADE, related_name="papers")
    title = models.CharField(max_length=50)
    private = models.BooleanField(default=False)

    class Meta:
        permissions = (("file_paper", "Can file papers"),)

    def __str__(self) -> str:
        return self.title


class Passport(models.Model):
    """One for a thing."""

    thing = models.OneToOneField(Thing, on_delete=models.CASCADE, primary_key=True)
    number = models.CharField(max_length=10)

    def __str__(self) -> str:
        return self.number


class ApiKey(models.Model):
    """What is never exposed."""

    thing = models.ForeignKey(Thing, on_delete=models.CASCADE, null=True)
    value = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.value


class Vehicle(models.Model):
    """What brings things: with heirs, and with a name of its own to be known by."""

    plate = models.SlugField(unique=True)
    load = models.IntegerField(default=0)
    odometer = models.IntegerField(default=0)
    changed = models.DateTimeField(auto_now=True)
    hidden = models.BooleanField(default=False)
    tags = models.ManyToManyField(Tag, blank=True)
    paper = models.FileField(upload_to="vehicles", blank=True)

    def __str__(self) -> str:
        return self.plate


class Truck(Vehicle):
    """A vehicle with a table of its own beside that of vehicles."""

    axles = models.IntegerField(default=2)

    def __str__(self) -> str:
        return f"{self.plate}, {self.axles} axles"


class OldVehicle(Vehicle):
    """The same vehicles by another name."""

    class Meta:
        proxy = True
