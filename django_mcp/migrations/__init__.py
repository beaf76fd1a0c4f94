"""What the tables of the app were before, and how they come to be what they are."""
