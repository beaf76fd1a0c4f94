"""The site of tests.oauth.urls, with the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from . import urls

urlpatterns = [path("admin/", admin.site.urls), *urls.urlpatterns]
