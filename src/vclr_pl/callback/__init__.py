"""What a run shows and keeps, as Lightning callbacks."""
