"""Data pipeline: from videos on disk to batches on the device."""
