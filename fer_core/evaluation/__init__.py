"""Evaluation: metrics, protocols and measurements of what the package does."""
