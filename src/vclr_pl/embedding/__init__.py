"""Frozen encoders from any file, and the features that they give to whole collections of videos."""
