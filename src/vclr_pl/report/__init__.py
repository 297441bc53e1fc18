"""Results of a run: records, tables, pages and pictures."""
