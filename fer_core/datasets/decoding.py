"""Image files of data sets, decoded to grey."""

from __future__ import annotations

import cv2
import numpy as np

from fer_core.errors import DatasetError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
"""File names that count as images of a data set, in lower case."""

# Annotations of public data sets refer to the pixels as they are stored, not as EXIF would have them turned.
_GREY_AS_STORED = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION


def decode_grey(data: bytes, where: str, expected: str) -> np.ndarray:
    """An encoded image as ``(H, W) uint8`` grey, not turned by its EXIF orientation.

    Args:
        data: the file's bytes.
        where: the file's name, for the message.
        expected: what should have been there, for the message.

    Raises:
        DatasetError: the bytes are no image. (A JPEG that breaks off is decoded as far as it goes.)
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _GREY_AS_STORED) if data else None
    except cv2.error:  # more pixels than OpenCV decodes
        image = None
    if image is None:
        raise DatasetError(f"{where}: found a file that is no image, expected {expected}.")
    return image


def decode_face(data: bytes, where: str, side: int) -> np.ndarray:
    """An encoded face of a given size as ``(side, side) uint8`` grey.

    Raises:
        DatasetError: the bytes are no image, or one of another size.
    """
    image = decode_grey(data, where, f"a {side}x{side} jpg or png")
    if image.shape != (side, side):
        height, width = image.shape
        raise DatasetError(f"{where}: found an image of {width}x{height} pixels, expected {side}x{side}.")
    return image
