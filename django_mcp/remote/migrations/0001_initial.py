"""The tables of remote servers."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RemoteServer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.SlugField(
                        help_text="What the project's code calls it.",
                        unique=True,
                        verbose_name="name",
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=100, verbose_name="title")),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "url",
                    models.CharField(
                        blank=True, help_text="Of its endpoint.", max_length=500, verbose_name="URL"
                    ),
                ),
                (
                    "command",
                    models.TextField(
                        blank=True,
                        help_text="In place of a URL: a program to start, and"
                        " its arguments, one on a line.",
                        verbose_name="command",
                    ),
                ),
                (
                    "authorization",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("bearer", "one token for everybody"),
                            ("user", "OAuth: users connect themselves"),
                            ("project", "OAuth: the project for itself (client credentials)"),
                        ],
                        default="none",
                        max_length=10,
                        verbose_name="authorization",
                    ),
                ),
                (
                    "scopes",
                    models.CharField(
                        blank=True,
                        help_text="To ask for beside those that the server wants,"
                        " with blanks between them.",
                        max_length=500,
                        verbose_name="scopes",
                    ),
                ),
                (
                    "issuer",
                    models.CharField(
                        blank=True,
                        help_text="Where the client ID is registered: what the"
                        " authorization server calls itself.",
                        max_length=500,
                        verbose_name="issuer",
                    ),
                ),
                (
                    "client_id",
                    models.CharField(blank=True, max_length=500, verbose_name="client ID"),
                ),
                (
                    "sealed",
                    models.TextField(
                        blank=True, default="", editable=False, verbose_name="secrets"
                    ),
                ),
                (
                    "seen",
                    models.DateTimeField(editable=False, null=True, verbose_name="last tried"),
                ),
                (
                    "problem",
                    models.TextField(
                        blank=True, default="", editable=False, verbose_name="problem"
                    ),
                ),
                (
                    "info",
                    models.JSONField(
                        default=dict, editable=False, verbose_name="what it says of itself"
                    ),
                ),
                (
                    "tools",
                    models.JSONField(default=list, editable=False, verbose_name="tools seen"),
                ),
                (
                    "tools_seen",
                    models.DateTimeField(editable=False, null=True, verbose_name="tools seen at"),
                ),
            ],
            options={
                "verbose_name": "remote server",
                "verbose_name_plural": "remote servers",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Registration",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
                ("sealed", models.TextField(verbose_name="registration")),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="registrations",
                        to="django_mcp_remote.remoteserver",
                        verbose_name="server",
                    ),
                ),
            ],
            options={
                "verbose_name": "registration",
                "verbose_name_plural": "registrations",
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True, verbose_name="digest")),
                ("browser", models.CharField(max_length=64, verbose_name="browser")),
                ("sealed", models.TextField(verbose_name="request")),
                ("target", models.TextField(verbose_name="goes on to")),
                ("created", models.DateTimeField(db_index=True, verbose_name="created")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="django_mcp_remote.remoteserver",
                        verbose_name="server",
                    ),
                ),
            ],
            options={
                "verbose_name": "authorization that has begun",
                "verbose_name_plural": "authorizations that have begun",
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
                ("holder", models.CharField(max_length=150, verbose_name="holder")),
                ("url", models.CharField(max_length=500, verbose_name="URL")),
                ("sealed", models.TextField(verbose_name="tokens")),
                ("version", models.UUIDField(default=uuid.uuid4, verbose_name="version")),
                ("turn_until", models.DateTimeField(null=True, verbose_name="being renewed until")),
                ("issuer", models.CharField(max_length=500, verbose_name="authorization server")),
                ("scopes", models.TextField(blank=True, verbose_name="scopes")),
                ("wanted", models.TextField(blank=True, default="", verbose_name="scopes wanted")),
                ("renews", models.BooleanField(default=False, verbose_name="can be renewed")),
                (
                    "expires",
                    models.DateTimeField(null=True, verbose_name="access token good until"),
                ),
                ("created", models.DateTimeField(auto_now_add=True, verbose_name="connected")),
                ("changed", models.DateTimeField(verbose_name="renewed")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                (
                    "registration",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="django_mcp_remote.registration",
                        verbose_name="registration",
                    ),
                ),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="connections",
                        to="django_mcp_remote.remoteserver",
                        verbose_name="server",
                    ),
                ),
            ],
            options={
                "verbose_name": "connection",
                "verbose_name_plural": "connections",
                "ordering": ("-created", "-pk"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("server", "holder"), name="mcp_remote_connection_once"
                    )
                ],
            },
        ),
    ]
