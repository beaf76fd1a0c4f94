"""An app whose models have a field of every kind, and something to hide."""
