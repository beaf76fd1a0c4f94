"""The official SDK 1.x, which cannot be installed beside 2.x: its environment, and what it does."""
