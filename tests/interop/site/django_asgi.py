"""The project without Channels: Django's own ASGI handler, and the view in `urls.py`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.interop.site.settings")
application = get_asgi_application()
