"""Frames by index out of a video file: two backends, one policy, and a guard against decoders that crash or hang."""
