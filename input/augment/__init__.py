"""Augmentations: pure functions of a batch of uint8 images and of the batch's random numbers."""
