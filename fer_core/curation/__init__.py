"""Care for data sets: audit of labels, duplicates, balance, embedding maps, import of photos."""
