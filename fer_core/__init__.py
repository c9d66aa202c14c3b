"""Facial expression recognition: data sets, trained networks, and one pipeline from a frame to its analysis."""

from pathlib import Path

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"
"""Where the models and samples lie that ship with the package."""

__version__ = "0.1.0"
