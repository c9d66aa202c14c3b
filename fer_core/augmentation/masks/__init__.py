"""Masks, scarves and sunglasses drawn onto unmasked faces."""
