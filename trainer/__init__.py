"""From batches and a model to checkpoints, metrics and an exported model: the training programs."""
