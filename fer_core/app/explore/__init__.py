"""Parts of *Explore Datasets*."""
