"""Saving and restoring a run; each checkpoint is there complete or not at all."""
