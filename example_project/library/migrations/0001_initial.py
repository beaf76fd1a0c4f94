"""The tables of the library."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import library.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Reader",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("email", models.EmailField(max_length=254, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("adult", "Adult"), ("junior", "Junior")],
                        default="adult",
                        max_length=6,
                    ),
                ),
                ("joined", models.DateField(default=django.utils.timezone.localdate)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Subject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Author",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "born",
                    models.SmallIntegerField(blank=True, null=True, verbose_name="year of birth"),
                ),
                (
                    "died",
                    models.SmallIntegerField(blank=True, null=True, verbose_name="year of death"),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("died__gt", models.F("born"))),
                        name="author_born_before_died",
                        violation_error_message="An author dies after being born.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                (
                    "published",
                    models.SmallIntegerField(
                        help_text="The year it was first complete as a book; serials and performances not counted."
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[
                            ("ar", "Arabic"),
                            ("bn", "Bengali"),
                            ("zh", "Chinese"),
                            ("cs", "Czech"),
                            ("da", "Danish"),
                            ("nl", "Dutch"),
                            ("en", "English"),
                            ("fi", "Finnish"),
                            ("fr", "French"),
                            ("de", "German"),
                            ("hu", "Hungarian"),
                            ("it", "Italian"),
                            ("ja", "Japanese"),
                            ("la", "Latin"),
                            ("no", "Norwegian"),
                            ("pl", "Polish"),
                            ("pt", "Portuguese"),
                            ("ru", "Russian"),
                            ("es", "Spanish"),
                            ("sv", "Swedish"),
                        ],
                        help_text="The language it was written in.",
                        max_length=2,
                    ),
                ),
                ("summary", models.CharField(blank=True, max_length=200)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="books",
                        to="library.author",
                    ),
                ),
                ("subjects", models.ManyToManyField(to="library.subject")),
            ],
            options={
                "ordering": ("title", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Loan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("lent", models.DateField(default=django.utils.timezone.localdate)),
                ("due", models.DateField(default=library.models.four_weeks_from_today)),
                ("returned", models.DateField(blank=True, null=True)),
                (
                    "book",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="loans",
                        to="library.book",
                    ),
                ),
                (
                    "reader",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="loans",
                        to="library.reader",
                    ),
                ),
            ],
            options={
                "ordering": ("-lent", "-pk"),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("returned__isnull", True)),
                        fields=("book",),
                        name="book_lent_once_at_a_time",
                        violation_error_message="This book is on loan already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("due__gte", models.F("lent")),
                            models.Q(
                                ("returned", None),
                                ("returned__gte", models.F("lent")),
                                _connector="OR",
                            ),
                        ),
                        name="loan_ends_after_it_begins",
                        violation_error_message="A loan ends after it begins.",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="book",
            constraint=models.UniqueConstraint(
                fields=("author", "title"), name="book_title_once_per_author"
            ),
        ),
    ]
