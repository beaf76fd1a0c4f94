"""The project's pages. The MCP endpoint is added by ``config.asgi``."""

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("library.urls")),
    # Only where DEBUG is on, for servers other than runserver.
    *staticfiles_urlpatterns(),
]
