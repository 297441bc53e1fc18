"""The demo's procedural videos."""
