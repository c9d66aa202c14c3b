"""Changes to faces that training draws: transforms, policies, mixing, masks."""
