"""Weights of networks outside of checkpoints: by name, and in files."""
