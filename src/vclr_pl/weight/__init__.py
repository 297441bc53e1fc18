"""Published weights, read and written by name."""
