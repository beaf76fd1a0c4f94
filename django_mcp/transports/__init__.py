"""How messages arrive and leave: one module a transport, none of which decides what is answered."""
