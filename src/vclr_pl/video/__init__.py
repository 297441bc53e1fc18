"""Video decoding: the reader protocol, its backends, and their child processes."""
