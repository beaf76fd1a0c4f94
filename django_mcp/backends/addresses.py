"""Where a request came from: the other end of its connection, or what the project's proxies say.

Each proxy appends whom it heard from to X-Forwarded-For, so what a client writes there itself
stands further left than anything that counts.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def party_of(peer: str | None, forwarded: str, proxies: int) -> str | None:
    """The address that counts as one party, None where none is known.

    `peer` is the connection's other end, `forwarded` the header, `proxies` how many of the
    project's own a request passes. One that has not passed them all comes from its peer. Of IPv6 it
    is the network of 64 bits, which is what one subscriber has.
    """
    said = [part.strip() for part in forwarded.split(",") if part.strip()]
    passed = said[-proxies] if 0 < proxies <= len(said) else ""
    address = _address(passed) or _address(peer or "")
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return None if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, which some proxies add the port to."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return ip_address(text)
    except ValueError:
        return None
