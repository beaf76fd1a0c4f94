"""System checks of this app; filled by what is unsafe to run with."""
