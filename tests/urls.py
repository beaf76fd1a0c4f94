"""The URL root of the test project: what a test can reach through Django's own handler."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
