"""Facial expression recognition: data sets, trained networks, and one pipeline from a frame to its analysis."""

__version__ = "0.1.0"
