"""Parts of *Feature Maps*."""
