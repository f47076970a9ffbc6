"""Saving and restoring a run; each checkpoint is there whole or not at all."""
