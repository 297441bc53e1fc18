"""Evaluation protocols on tables of features. Only `feature_extraction` uses a network."""
