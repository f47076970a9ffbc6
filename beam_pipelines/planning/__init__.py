"""What becomes of each image: duplicates, splits and shards, and the statistics of the result."""
