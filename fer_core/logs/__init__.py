"""Session logs, one or many, brought to shares of time per person and stretch, and what these say."""
