"""The pages: `path("remote/", include("django_mcp.remote.urls"))`."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "django_mcp_remote"

urlpatterns = [
    path("", views.connections, name="connections"),
    path("callback/", views.callback, name="callback"),
    path("client.json", views.client, name="client"),
    path("<slug:name>/connect/", views.connect, name="connect"),
    path("<slug:name>/disconnect/", views.disconnect, name="disconnect"),
]
