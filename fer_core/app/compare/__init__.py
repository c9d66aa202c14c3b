"""Parts of *Compare Models*."""
