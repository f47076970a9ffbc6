"""Networks, one module each; `registry` finds them by name, `classifier` makes them trainable."""
