"""What people see of the servers in Django's admin: sessions, calls, a summary, an inspector, and
the switches that close a server.

Sessions and calls cannot be added or changed there. Who may see them, and who may end a session, is
Django's permissions, `view_…` and `delete_…`; the inspector has its own.
"""

from __future__ import annotations

from django.contrib import admin

from ..models import Call, Session, Switch
from .calls import CallAdmin
from .sessions import SessionAdmin
from .switches import SwitchAdmin

admin.site.register(Session, SessionAdmin)
admin.site.register(Call, CallAdmin)
admin.site.register(Switch, SwitchAdmin)
