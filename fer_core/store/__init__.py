"""Stored models: card, predictions, decision rules; the only code that knows how ``artifacts/`` is laid out."""
