"""The table of calls."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_mcp", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("called", models.DateTimeField(verbose_name="called")),
                ("server", models.CharField(max_length=255, verbose_name="server")),
                ("method", models.CharField(max_length=100, verbose_name="method")),
                (
                    "target",
                    models.CharField(
                        blank=True, max_length=255, verbose_name="tool, prompt or URI"
                    ),
                ),
                ("principal", models.CharField(max_length=255, verbose_name="principal")),
                (
                    "user_key",
                    models.CharField(blank=True, max_length=64, verbose_name="key of the user"),
                ),
                ("user_label", models.CharField(blank=True, max_length=255, verbose_name="user")),
                ("client", models.CharField(blank=True, max_length=255, verbose_name="client")),
                (
                    "client_version",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="version of the client"
                    ),
                ),
                (
                    "client_id",
                    models.CharField(blank=True, max_length=255, verbose_name="registered client"),
                ),
                (
                    "session",
                    models.CharField(blank=True, max_length=43, verbose_name="key of the session"),
                ),
                ("revision", models.CharField(max_length=10, verbose_name="protocol revision")),
                ("request_id", models.CharField(max_length=100, verbose_name="id of the request")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("ok", "ok"),
                            ("tool_error", "tool error"),
                            ("timed_out", "timed out"),
                            ("input_required", "asked"),
                            ("error", "refused"),
                            ("internal_error", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=20,
                        verbose_name="outcome",
                    ),
                ),
                ("code", models.IntegerField(blank=True, null=True, verbose_name="error code")),
                ("milliseconds", models.FloatField(verbose_name="milliseconds")),
                (
                    "step",
                    models.PositiveSmallIntegerField(
                        editable=False, verbose_name="step of the duration"
                    ),
                ),
                ("hour", models.PositiveIntegerField(editable=False, verbose_name="hour")),
                ("received", models.PositiveIntegerField(verbose_name="bytes received")),
                ("sent", models.PositiveIntegerField(verbose_name="bytes sent")),
                ("correlation", models.CharField(max_length=32, verbose_name="correlation id")),
                ("arguments", models.JSONField(blank=True, null=True, verbose_name="arguments")),
            ],
            options={
                "verbose_name": "call",
                "verbose_name_plural": "calls",
                "ordering": ("-called", "-id"),
                "permissions": (
                    ("use_inspector", "Can try out servers in the inspector"),
                    (
                        "inspect_as_others",
                        "Can do so as users who may no more than they themselves",
                    ),
                ),
                "indexes": [
                    models.Index(fields=["called"], name="mcp_call_called"),
                    models.Index(fields=["outcome", "called"], name="mcp_call_outcome"),
                    models.Index(fields=["target", "called"], name="mcp_call_target"),
                    models.Index(fields=["user_key", "called"], name="mcp_call_user"),
                    models.Index(fields=["session", "called"], name="mcp_call_session"),
                    models.Index(fields=["correlation"], name="mcp_call_correlation"),
                ],
            },
        ),
    ]
