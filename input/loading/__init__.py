"""From record numbers to pixels: reading, decoding, and keeping what was decoded."""
