"""Official layouts of data sets on disk, each to its official splits."""
