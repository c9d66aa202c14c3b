"""The command line: ``python -m fer_core COMMAND``."""
