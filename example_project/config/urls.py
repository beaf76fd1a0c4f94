"""The project's pages. The MCP endpoint is added by ``config.asgi``."""

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("library.urls")),
    # Where users connect to other servers, such as the library next door.
    path("remote/", include("django_mcp.remote.urls")),
    path("accounts/login/", LoginView.as_view(template_name="library/login.html"), name="login"),
    # Only where DEBUG is on, for servers other than runserver.
    *staticfiles_urlpatterns(),
]
if apps.is_installed("django_mcp.oauth"):
    # At the root of the site: clients look below /.well-known of the host.
    urlpatterns.append(path("", include("django_mcp.oauth.urls")))
