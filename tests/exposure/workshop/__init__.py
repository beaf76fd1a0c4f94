"""An app whose models are hard to write to: rules, secrets, and relations that ask for more."""
