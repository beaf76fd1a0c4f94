"""An app with a few models, for what is made of models."""
