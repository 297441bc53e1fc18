"""Copies of data sets that read faster."""
