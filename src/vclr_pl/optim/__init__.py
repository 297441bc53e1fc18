"""Learning rate, its schedule, and the optimizer."""
