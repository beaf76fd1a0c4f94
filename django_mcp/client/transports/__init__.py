"""How a client's messages travel: one module for each way."""
