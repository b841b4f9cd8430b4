"""One module per claim of speed, side by side with what a user would pick instead."""
