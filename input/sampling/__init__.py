"""Which records each batch has, as pure arithmetic on (seed, step)."""
