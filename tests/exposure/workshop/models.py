"""A workshop: jobs at benches, done with tools, and parts that go with them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q


class BenchManager(models.Manager["Bench"]):
    """Knows a bench by its room and its number."""

    def get_by_natural_key(self, room: str, number: int) -> Bench:
        return self.get(room=room, number=number)


class Bench(models.Model):
    """Where jobs are done. Some are locked away."""

    room = models.CharField(max_length=20)
    number = models.IntegerField()
    locked = models.BooleanField(default=False)

    objects = BenchManager()

    class Meta:
        unique_together = (("room", "number"),)

    def __str__(self) -> str:
        return f"{self.room} {self.number}"


class Machine(models.Model):
    """What jobs need. Broken ones cannot be chosen."""

    name = models.CharField(max_length=20)
    broken = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Robot(Machine):
    """A machine, and more."""

    arms = models.PositiveSmallIntegerField(default=2)


class Job(models.Model):
    """Something to do."""

    class Kind(models.TextChoices):
        REPAIR = "repair", "A repair"
        BUILD = "build", "Something new"

    title = models.CharField(max_length=30)
    number = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(999)]
    )
    kind = models.CharField(max_length=6, choices=Kind, blank=True)
    contact = models.EmailField(blank=True)
    starts = models.DateField(null=True, blank=True)
    ends = models.DateField(null=True, blank=True)
    plan = models.JSONField(default=dict, blank=True)
    cost = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    bench = models.ForeignKey(Bench, on_delete=models.SET_NULL, null=True, blank=True)
    machines = models.ManyToManyField(
        Machine, blank=True, limit_choices_to={"broken": False}, related_name="jobs"
    )
    workers: Any = models.ManyToManyField("Worker", through="Shift", blank=True)
    team = models.CharField(max_length=10, default="red")
    budget = models.IntegerField(default=0)
    code = models.CharField(max_length=10, unique=True, null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(ends__gte=F("starts")) | Q(ends=None), name="job_ends_after_start"
            ),
            models.CheckConstraint(condition=Q(budget__lt=100), name="job_budget_below_100"),
            models.UniqueConstraint(fields=["title", "budget"], name="job_title_and_budget"),
            models.UniqueConstraint(
                fields=["contact"],
                condition=Q(kind="build"),
                name="job_contact",
                violation_error_message="This contact has a job already.",
            ),
        )

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        if self.title == "nothing":
            raise ValidationError("Nothing is no job.")
        if self.title == "expensive":
            raise ValidationError({"budget": "Over 9000.", "title": "Too expensive."})


class Worker(models.Model):
    """Who works."""

    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name


class Shift(models.Model):
    """A worker at a job, for so many hours."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT)
    hours = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.worker} at {self.job}"


class Part(models.Model):
    """What belongs to a job, and goes with it. Some are secret."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="parts")
    name = models.CharField(max_length=20)
    secret = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Label(models.Model):
    """Known by a word of its own."""

    word = models.SlugField(primary_key=True)
    text = models.TextField(max_length=20, blank=True)

    def __str__(self) -> str:
        return self.word

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.text == "late":
            raise ValidationError({"text": "Too late."})
        super().save(*args, **kwargs)
