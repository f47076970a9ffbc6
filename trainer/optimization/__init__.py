"""How a step changes the weights."""
