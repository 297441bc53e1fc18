"""Recognition of actions: a pretrained backbone, fine-tuned or frozen, and a linear layer."""
