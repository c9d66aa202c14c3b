"""Parts of *Analyse Video*."""
