"""What a model gets right, and what the run does about it."""
