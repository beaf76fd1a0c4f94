"""The tables of authorization, beside those of django-oauth-toolkit."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from oauth2_provider.settings import oauth2_settings


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(oauth2_settings.APPLICATION_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Client",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("allowed", "allowed"),
                            ("pending", "waiting for approval"),
                            ("blocked", "blocked"),
                        ],
                        default="allowed",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "refreshes",
                    models.BooleanField(default=True, verbose_name="is given refresh tokens"),
                ),
                (
                    "metadata",
                    models.JSONField(
                        blank=True, default=dict, verbose_name="what it says of itself"
                    ),
                ),
                (
                    "fetched",
                    models.DateTimeField(blank=True, null=True, verbose_name="metadata fetched"),
                ),
                (
                    "expires",
                    models.DateTimeField(blank=True, null=True, verbose_name="metadata good until"),
                ),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "application",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mcp_client",
                        to=oauth2_settings.APPLICATION_MODEL,
                        verbose_name="application",
                    ),
                ),
            ],
            options={
                "verbose_name": "MCP client",
                "verbose_name_plural": "MCP clients",
                "ordering": ("-created", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="PersonalToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("shown", models.CharField(max_length=24, verbose_name="begins with")),
                (
                    "digest",
                    models.CharField(
                        editable=False, max_length=64, unique=True, verbose_name="digest"
                    ),
                ),
                ("resource", models.CharField(max_length=255, verbose_name="server")),
                ("scopes", models.TextField(blank=True, verbose_name="scopes")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("expires", models.DateTimeField(verbose_name="expires")),
                ("used", models.DateTimeField(blank=True, null=True, verbose_name="last used")),
                ("revoked", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mcp_personal_tokens",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "personal access token",
                "verbose_name_plural": "personal access tokens",
                "ordering": ("-created", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="UsedCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True, verbose_name="digest")),
                ("family", models.UUIDField(verbose_name="family of tokens")),
                ("expires", models.DateTimeField(db_index=True, verbose_name="expires")),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=oauth2_settings.APPLICATION_MODEL,
                        verbose_name="application",
                    ),
                ),
            ],
            options={
                "verbose_name": "used authorization code",
                "verbose_name_plural": "used authorization codes",
            },
        ),
        migrations.CreateModel(
            name="Connection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("resource", models.CharField(max_length=255, verbose_name="server")),
                ("scopes", models.TextField(blank=True, verbose_name="scopes")),
                (
                    "redirect_host",
                    models.CharField(blank=True, max_length=255, verbose_name="answers to"),
                ),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("used", models.DateTimeField(blank=True, null=True, verbose_name="last used")),
                ("revoked", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mcp_connections",
                        to=oauth2_settings.APPLICATION_MODEL,
                        verbose_name="application",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "MCP connection",
                "verbose_name_plural": "MCP connections",
                "ordering": ("-created", "-pk"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("application", "user", "resource"), name="mcp_connection_once"
                    )
                ],
            },
        ),
    ]
