"""Looking inside a trained network: its layers, what they answer with, and where on a face it looks."""
