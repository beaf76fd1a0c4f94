"""HTTP: the rules of the endpoint, and two adapters that carry them (Django views, Channels)."""
