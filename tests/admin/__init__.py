"""The admin: what people see of the servers, and may do there."""
