"""The training loop, and the compiled steps that it calls."""
