"""Video Contrastive Learning with Global Context, as PyTorch Lightning modules."""
