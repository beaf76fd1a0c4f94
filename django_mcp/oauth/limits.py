"""How often somebody may do something, counted in Django's cache in windows of fixed length.

Processes that share no cache count each for themselves; a system check says so.
"""

from __future__ import annotations

import hashlib
import time
from ipaddress import IPv6Address, ip_address

from django.core.cache import cache


def exceeded(what: str, who: str, limit: int, seconds: int) -> int:
    """Count one more; 0 where that is within `limit`, else the seconds until it will be again."""
    now = int(time.time())
    window = now // seconds
    name = hashlib.sha256(f"{what}\0{who}\0{window}".encode()).hexdigest()
    key = f"django_mcp.oauth.{name}"
    cache.add(key, 0, seconds)
    try:
        count = cache.incr(key)
    except ValueError:
        return 0  # Gone meanwhile: there is no count to be above.
    return 0 if count <= limit else seconds - now % seconds


def network_of(address: str) -> str:
    """What of an address is one party's: all of it, or the first half of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return parsed.exploded[:19]
    return str(parsed)
