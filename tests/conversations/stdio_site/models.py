"""No models; only what an app does that prints while Django loads it."""

print("printed while the app is loaded")
