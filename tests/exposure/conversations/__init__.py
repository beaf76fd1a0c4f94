"""Django things as components, through the public door."""
