"""Procedural videos whose class shows only over the whole video, as real H.264 files."""
