"""Where a run trains: devices, strategies, clusters, and what their processes tell each other."""
