"""Recorded films: analysed frame by frame as live video is, and what is made of that: film, subtitles, moments, tables."""
