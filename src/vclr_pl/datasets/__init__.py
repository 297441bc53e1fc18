"""Data sets: videos, labels and splits."""
