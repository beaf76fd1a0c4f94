"""What people see of the servers in Django's admin: sessions, calls, a summary of them.

Nothing of it can be added or changed there. Who may see it, and who may end a session, is Django's
permissions: `view_…` and `delete_…` of `django_mcp.session` and `django_mcp.call`.
"""

from __future__ import annotations

from django.contrib import admin

from ..models import Call, Session
from .calls import CallAdmin
from .sessions import SessionAdmin

admin.site.register(Session, SessionAdmin)
admin.site.register(Call, CallAdmin)
