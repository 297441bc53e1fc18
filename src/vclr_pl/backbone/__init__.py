"""Networks from frames or clips to pooled features."""
