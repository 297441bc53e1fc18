"""What each command does with its composed config."""
