"""From raw images to a dataset directory (Apache Beam)."""
