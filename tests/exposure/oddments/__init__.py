"""Models with fields that are seldom seen, and with names that are."""
