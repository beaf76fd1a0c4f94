"""What tests of exposed models have in common: a filled depot and people who may see some of it."""

from __future__ import annotations

from typing import Any

import pytest

from django_mcp import MCPServer

from .depot import server as depot


@pytest.fixture
def stock(db: Any) -> None:
    """Three things, their makers, countries and tags."""
    depot.fill()


@pytest.fixture
def server() -> MCPServer:
    """A server that exposes nothing yet."""
    return MCPServer("depot")


@pytest.fixture
def ann(stock: None) -> Any:
    """A user who may view everything in the depot."""
    views = [f"view_{name}" for name in ("thing", "maker", "country", "tag", "paper", "passport")]
    return depot.user_with(*views)
