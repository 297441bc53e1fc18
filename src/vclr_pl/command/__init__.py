"""The commands: each is a function of its composed config."""
