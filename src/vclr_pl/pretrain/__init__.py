"""Pretraining: where data, encoders and objective meet."""
