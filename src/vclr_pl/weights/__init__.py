"""Weights: checkpoints of other projects, loaded by parameter name."""
