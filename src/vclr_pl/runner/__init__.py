"""From a command line to a run: the only room that knows Hydra."""
