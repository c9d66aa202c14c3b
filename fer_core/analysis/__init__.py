"""From a frame to its analysis, and what a stream remembers of the people in it."""
