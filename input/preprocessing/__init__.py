"""How an image of any size becomes a model's input."""
