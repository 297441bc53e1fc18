"""Decoding: one protocol, its backends, and the child processes that they run in."""
