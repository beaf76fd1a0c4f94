"""A process that serves nobody, as a shell is: changes groups through the ORM, and ends.

python -m tests.processes.site.orm create|rename|delete|bulk NAME
"""

from __future__ import annotations

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.processes.site.settings"
django.setup()

# After setup(): these read the settings and the models.
from django.contrib.auth.models import Group  # noqa: E402
from django.db import transaction  # noqa: E402

from django_mcp.default import default_server  # noqa: E402

from . import mcp  # noqa: E402, F401


def change(what: str, name: str) -> int:
    """Make a change, and one that is rolled back; return the key of the group."""
    with transaction.atomic():
        Group.objects.create(name="rolled back")
        transaction.set_rollback(True)
    if what == "create":
        return int(Group.objects.create(name=name).pk)
    group = Group.objects.get(name=name)
    key = int(group.pk)
    with transaction.atomic():
        if what == "rename":
            for number in range(5):
                group.name = f"{name}{number}"
                group.save()
            group.name = name
            group.save()
        elif what == "delete":
            group.delete()
        elif what == "bulk":
            Group.objects.filter(name=name).update(name=name)
            default_server().notify_changed(Group)
    return key


if __name__ == "__main__":
    sys.stdout.write(str(change(sys.argv[1], sys.argv[2])))
