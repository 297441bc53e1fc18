"""The four terms of the published objective and their weighted sum."""
