"""Temporal action localization (BMN): features of untrimmed videos, training, proposals, metrics, and pages."""
