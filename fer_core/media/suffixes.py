"""Which endings of file names are taken for pictures and videos, in lower case."""

DATASET_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Faces of a data set."""
PHOTO_SUFFIXES = (*DATASET_IMAGE_SUFFIXES, ".gif")
"""Photos to analyse; of an animation the first frame counts."""
IMPORTED_PHOTO_SUFFIXES = (*PHOTO_SUFFIXES, ".avif", ".heic", ".heif")
"""Photos to make a data set of; those that can't be decoded are named."""
VIDEO_SUFFIXES = tuple(
    [".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".ogv"]
)
"""Recorded video."""
