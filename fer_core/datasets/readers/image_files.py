"""Image files of data sets, decoded to grey."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from fer_core.errors import DatasetError
from fer_core.media.images import DECODER_ERRORS, DECOMPRESSION_BOMBS, FORMATS, MAX_PIXELS

"""File names that count as images of a data set, in lower case."""
_GREY_AS_STORED = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
"""Annotations of public data sets refer to the pixels as they are stored, not as EXIF turns them."""


def decode_grey(data: bytes, where: str, expected: str) -> np.ndarray:
    """An encoded image as ``(H, W) uint8`` grey, not turned by its EXIF orientation.

    Args:
        data: the file's bytes.
        where: the file's name, for the message.
        expected: what the file should hold, for the message.

    Raises:
        DatasetError: the bytes are no image, or the header names more than :data:`fer_core.media.images.MAX_PIXELS`. (A
            JPEG that breaks off is decoded as far as it goes.)
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            width, height = header.size
        too_large = width * height > MAX_PIXELS
        image = None if too_large else cv2.imdecode(np.frombuffer(data, np.uint8), _GREY_AS_STORED)
    except DECOMPRESSION_BOMBS:
        too_large, image = True, None
    except (cv2.error, *DECODER_ERRORS):
        too_large, image = False, None
    if too_large:
        raise DatasetError(f"{where}: found an image of far more pixels than a face has, expected {expected}.")
    if image is None:
        raise DatasetError(f"{where}: found a file that is no image, expected {expected}.")
    return image


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """Grey ``(H, W) uint8`` as ``(side, side) uint8``, squeezed if it is not square; shrunk by averaging over areas."""
    if image.shape == (side, side):
        return image
    shrinks = min(image.shape) >= side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


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
