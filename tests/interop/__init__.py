"""Real servers, and the official SDK's client as their peer: what one process says to another."""
