"""Protocols that score features of videos. They see tables, not networks; only `feature_extraction` sees one."""
