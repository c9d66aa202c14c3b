"""Data to pictures: plotly figures, and overlays drawn onto frames."""
