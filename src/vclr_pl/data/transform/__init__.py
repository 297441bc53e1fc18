"""Views out of frames: geometry on uint8 in the worker, photometry batched on the device."""
