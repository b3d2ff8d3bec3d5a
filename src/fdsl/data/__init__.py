"""From formulas to batches: datasets, loaders, real images."""
