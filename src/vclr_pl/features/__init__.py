"""Features: encoders from any file, what they extract from videos, and where it is stored."""
