"""Recognition: fine-tuning of TSN and TSM on an encoder."""
