"""The table of switches."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_mcp", "0002_call"),
    ]

    operations = [
        migrations.CreateModel(
            name="Switch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("server", models.CharField(max_length=255, unique=True, verbose_name="server")),
                ("closed", models.BooleanField(default=True, verbose_name="closed")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        help_text="What clients are told.",
                        max_length=255,
                        verbose_name="reason",
                    ),
                ),
                (
                    "retry_after",
                    models.PositiveIntegerField(
                        default=60,
                        help_text="In how many seconds clients may come again.",
                        verbose_name="try again after",
                    ),
                ),
                ("changed", models.DateTimeField(auto_now=True, verbose_name="changed")),
            ],
            options={
                "verbose_name": "server switch",
                "verbose_name_plural": "server switches",
                "ordering": ("server",),
            },
        ),
    ]
