"""What is left of a run: records and tables."""
