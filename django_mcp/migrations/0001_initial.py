"""The tables of sessions and of the events of their streams."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "key",
                    models.CharField(
                        max_length=43, primary_key=True, serialize=False, verbose_name="key"
                    ),
                ),
                ("server", models.CharField(max_length=255, verbose_name="server")),
                ("owner", models.CharField(max_length=255, verbose_name="principal")),
                ("place", models.CharField(blank=True, max_length=32, verbose_name="place")),
                ("revision", models.CharField(max_length=10, verbose_name="protocol revision")),
                ("client_info", models.JSONField(default=dict, verbose_name="client")),
                (
                    "capabilities",
                    models.JSONField(
                        blank=True, default=dict, verbose_name="capabilities of the client"
                    ),
                ),
                ("stage", models.CharField(max_length=10, verbose_name="stage")),
                (
                    "log_level",
                    models.CharField(blank=True, max_length=10, verbose_name="log level"),
                ),
                (
                    "followed",
                    models.JSONField(blank=True, default=list, verbose_name="resources followed"),
                ),
                (
                    "elicited",
                    models.JSONField(
                        blank=True, default=list, verbose_name="URLs the user was sent to"
                    ),
                ),
                ("created", models.DateTimeField(verbose_name="opened")),
                ("used", models.DateTimeField(verbose_name="last used")),
                ("ended", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
            ],
            options={
                "verbose_name": "MCP session",
                "verbose_name_plural": "MCP sessions",
                "ordering": ("-used", "key"),
                "indexes": [
                    models.Index(fields=["server", "owner", "ended"], name="mcp_session_of_owner"),
                    models.Index(fields=["ended", "used"], name="mcp_session_ended_used"),
                ],
            },
        ),
        migrations.CreateModel(
            name="StreamEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stream", models.CharField(max_length=32, verbose_name="stream")),
                ("position", models.PositiveIntegerField(verbose_name="position")),
                ("data", models.BinaryField(verbose_name="message")),
                ("is_last", models.BooleanField(default=False, verbose_name="last of its stream")),
                ("created", models.DateTimeField(verbose_name="created")),
                (
                    "session",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="django_mcp.session",
                        verbose_name="session",
                    ),
                ),
            ],
            options={
                "verbose_name": "stream event",
                "verbose_name_plural": "stream events",
                "ordering": ("session", "stream", "position"),
                "indexes": [models.Index(fields=["created"], name="mcp_event_created")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("session", "stream", "position"), name="mcp_event_in_its_place"
                    )
                ],
            },
        ),
    ]
