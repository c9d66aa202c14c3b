"""Measurements of speed, memory and accuracy that print ratios side by side; ``python -m benchmarks NAME``."""
