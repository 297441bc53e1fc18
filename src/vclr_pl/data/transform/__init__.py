"""Augmentation: crops of uint8 frames in the worker, color augmentation in batches on the device."""
