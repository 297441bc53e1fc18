"""Views out of frames: crops of uint8 in the worker, color augmentation batched on the device."""
