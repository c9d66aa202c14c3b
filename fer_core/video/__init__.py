"""Recorded videos: their analysis, annotated copy, subtitles, key moments and people."""
