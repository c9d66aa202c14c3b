"""Face masks drawn onto bare faces."""
