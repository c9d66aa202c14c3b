"""Random changes to training faces: transforms, policies, mixing, masks."""
