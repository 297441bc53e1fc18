"""Temporal action localization (BMN): features of untrimmed videos, training, proposals, scores, and its page."""
