"""Heads, the query encoder, the momentum encoder and the queues."""
