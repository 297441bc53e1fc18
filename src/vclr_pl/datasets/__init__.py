"""Datasets: which videos, with which labels and splits."""
