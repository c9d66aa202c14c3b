"""Models and predictions that other people bring along, run in a sandbox."""
