"""What a trained encoder is for: recognition of actions, and their localization in time."""
