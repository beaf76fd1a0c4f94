"""Requests that nobody in their right mind sends, and what must be true of every answer."""
