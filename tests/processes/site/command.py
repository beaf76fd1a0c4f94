"""A process that serves nobody, as a management command is: says that a resource changed, and ends.

python -m tests.processes.site.command notes://a
"""

from __future__ import annotations

import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.processes.site.settings"
django.setup()

# After setup(): the default server reads the settings.
from django_mcp.default import default_server  # noqa: E402

if __name__ == "__main__":
    default_server().notify_resource_updated(sys.argv[1])
