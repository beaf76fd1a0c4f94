"""What the answer is: servers, their components, and exchanges. Async; no Django and no sockets."""
