"""Pictures from people: bytes of unknown origin in, ``(H, W, 3) uint8 BGR`` or one plain sentence out.

Size is checked from the header before a pixel is decoded, only formats on an allow-list are opened (none of them can
run code, as PostScript could), and whatever the decoder trips over becomes an ``ImageError``.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from fer_core.errors import ImageError

MAX_FILE_BYTES = 25 * 1024 * 1024
"""Above the 10 to 20 MB of a 50-megapixel phone JPEG."""
MAX_PIXELS = 8192 * 6144
"""The full frame of a 50-megapixel phone camera: 200 MB at four bytes a pixel, the most this module ever decodes."""
MAX_SIDE = 4096
"""Longest side of a result in pixels. A 12-megapixel photo (4032x3024) passes untouched; a larger one is shrunk to it
rather than refused, because a face that counts is still hundreds of pixels tall then."""
MIN_SIDE = 16
"""Shortest side of a result in pixels: below it there is no face that a network could read."""
BACKDROP = (128, 128, 128)
"""Shown through transparent parts: mid-grey keeps an edge around dark hair and light skin alike, and moves the mean
brightness that networks normalise by the least."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
"""Pillow's readers that are tried. MPO, the pair of JPEGs that some phones write, is opened by JPEG's."""
EXPECTED = "a JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF picture"

_IMAGE_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
)
_FOREIGN_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"8BPS", "a Photoshop document"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
)

DECOMPRESSION_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# The first row is what Pillow raised for 100,000 randomly damaged files of every format above; the second is what
# its own ``open`` counts as damage besides, and what a lying size can cause.
DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, RuntimeError, struct.error),
    *(EOFError, TypeError, LookupError, OverflowError, MemoryError, zlib.error),
)

# EXIF tag 274 and what undoes each of its values (EXIF 2.32, section 4.6.4).
_ORIENTATION_TAG = 274
_UNDO_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Sixteen bits to eight over the whole range of the type: 65535 is white, whatever the picture's own maximum is.
_SIXTEEN_TO_EIGHT = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture from a file; see :func:`decode_image`.

    Args:
        path: the file.

    Returns:
        ``(H, W, 3) uint8``, BGR.

    Raises:
        ImageError: if the file is missing, unreadable, or refused by :func:`decode_image`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            # One byte past the limit is enough to know that a file is too long without reading all of it.
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ImageError(
            f"{path.name} could not be opened ({reason}): give the path of an existing picture."
        ) from error
    return decode_image(data, path.name)


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode a picture whole or not at all.

    EXIF orientation is applied, 16-bit grey is scaled to 8 bits over its full range, CMYK and palettes become RGB,
    transparency shows ``BACKDROP``, and of an animation the first frame is taken. Colour profiles are ignored. A
    picture with a side above ``MAX_SIDE`` is shrunk to it, aspect ratio kept; boxes found on the result are in pixels
    of the result.

    Args:
        data: the file's bytes.
        name: the file's name, for messages.

    Returns:
        ``(H, W, 3) uint8``, BGR, sides from ``MIN_SIDE`` to ``MAX_SIDE``.

    Raises:
        ImageError: if the file is empty, too long, no picture, damaged, or its size in pixels is out of bounds.
    """
    if not data:
        raise ImageError(f"{name} is empty: expected {EXPECTED}, so save or download it again.")
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(
            f"{name} is larger than the {MAX_FILE_BYTES // 2**20} MB allowed for a picture: save it smaller or as JPEG."
        )
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except DECOMPRESSION_BOMBS as error:
        raise ImageError(
            f"{name} claims far more than the {_megapixels(MAX_PIXELS)} megapixels allowed: shrink it and try again."
        ) from error
    except DECODER_ERRORS as error:
        raise ImageError(_why_not_an_image(data, name)) from error
    with image:
        _check_size(image.size, name)
        try:
            # JPEG can be decoded at a half, a quarter or an eighth in a fraction of the memory; others ignore this.
            image.draft(None, _within_max_side(image.size))
            image.load()
            # Asked after loading: the reader of TIFF has turned the picture on its own by then and says so.
            orientation = _orientation(image)
            rgb = _to_rgb(image, name)
            if max(rgb.size) > MAX_SIDE:
                rgb = rgb.resize(_within_max_side(rgb.size), Image.Resampling.LANCZOS, reducing_gap=3.0)
            if orientation in _UNDO_ORIENTATION:
                rgb = rgb.transpose(_UNDO_ORIENTATION[orientation])
        except DECOMPRESSION_BOMBS as error:
            raise ImageError(
                f"{name} unpacks to more than it may: save it again as a plain JPEG or PNG and try that."
            ) from error
        except DECODER_ERRORS as error:
            raise ImageError(
                f"{name} is a damaged or cut-off {image.format} picture: expected a complete one, so save or download "
                "it again."
            ) from error
    return cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR)


def encode_image(frame: np.ndarray, file_format: Literal["png", "jpeg"]) -> bytes:
    """Encode a frame for download.

    Args:
        frame: ``(H, W, 3) uint8``, BGR.
        file_format: ``png`` (lossless) or ``jpeg`` (quality 95).

    Returns:
        The file's bytes.

    Raises:
        ValueError: for another format.
        ImageError: if the frame can't be written in it, such as one too wide for JPEG.
    """
    if file_format not in ("png", "jpeg"):
        raise ValueError(f"expected file_format 'png' or 'jpeg', got {file_format!r}")
    try:
        done, encoded = cv2.imencode(f".{file_format}", frame)
    except cv2.error as error:
        raise ImageError(f"A frame of shape {frame.shape} can't be saved as {file_format.upper()}.") from error
    if not done:
        raise ImageError(f"A frame of shape {frame.shape} can't be saved as {file_format.upper()}.")
    return encoded.tobytes()


def _check_size(size: tuple[int, int], name: str) -> None:
    """Refuse a width and height that are too much to decode or too little to hold a face."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} has {width} x {height} pixels ({_megapixels(width * height)} megapixels), more than the "
            f"{_megapixels(MAX_PIXELS)} megapixels allowed: shrink it and try again."
        )
    result = _within_max_side(size)
    if min(result) < MIN_SIDE:
        shrunk = f" and would shrink to {result[0]} x {result[1]}" if result != size else ""
        raise ImageError(
            f"{name} has {width} x {height} pixels{shrunk}: a face needs at least {MIN_SIDE} on each side, so use a "
            "larger picture."
        )


def _within_max_side(size: tuple[int, int]) -> tuple[int, int]:
    """The size itself, or the one of the same shape whose longer side is ``MAX_SIDE``."""
    scale = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _megapixels(pixels: int) -> int:
    return round(pixels / 1_000_000)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation of a loaded picture, 1 (upright) where the metadata is absent or broken."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except DECODER_ERRORS:
        # A broken note about the picture is no reason to refuse the picture.
        return 1


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Any loaded picture as mode RGB."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(_SIXTEEN_TO_EIGHT[np.asarray(image).astype(np.uint16, copy=False)]).convert("RGB")
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name} stores 32-bit values without saying which is white: expected 8 or 16 bits per channel, so save "
            "it as such."
        )
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    flat = Image.new("RGB", layered.size, BACKDROP)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat


def _why_not_an_image(data: bytes, name: str) -> str:
    """One sentence about bytes that no reader knows, as helpful as their beginning allows."""
    if (kind := _image_kind(data)) is not None:
        return (
            f"{name} begins like a {kind} picture but is damaged or cut off: expected a complete one, so save or "
            "download it again."
        )
    looks_like = _foreign_kind(data)
    but = f"it looks like {looks_like}" if looks_like else "its content is of no known kind"
    return f"{name} is not a picture, {but}: expected {EXPECTED}, so choose another file or convert it."


def _image_kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return next((kind for signature, kind in _IMAGE_SIGNATURES if data.startswith(signature)), None)


def _foreign_kind(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        # ISO base media: the brand tells Apple's still pictures from films.
        return "a HEIC photo" if data[8:12] in (b"heic", b"heix", b"heim", b"mif1", b"msf1") else "an MP4 video"
    if data[:4] == b"RIFF":
        return "an AVI video" if data[8:12] == b"AVI " else "a sound file"
    for signature, kind in _FOREIGN_SIGNATURES:
        if data.startswith(signature):
            return kind
    head = data[:512].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing or other XML"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "plain text" if _is_text(data[:512]) else None


def _is_text(head: bytes) -> bool:
    # The cut may fall inside a character of up to four bytes, so the last ones are not judged.
    text = head.decode("utf-8", errors="replace")[: -3 if len(head) > 3 else None]
    return "\ufffd" not in text and all(character.isprintable() or character in "\t\r\n" for character in text)


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Grey levels of any range rounded and cut to 0..255: the same shape as ``uint8``."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
