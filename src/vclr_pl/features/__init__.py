"""Features: load encoders from files, extract features of videos, and store them."""
