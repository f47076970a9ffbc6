"""Recipes: flagfiles of known experiments, each with its result where it is known; and the demo."""
