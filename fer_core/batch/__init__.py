"""Whole archives of photos and films to one Parquet data set, in several processes, to be gone on with after a stop."""
