"""Parts of *Session Insights*."""
