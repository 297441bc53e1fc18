"""From a command line to a run: the only package that imports Hydra."""
