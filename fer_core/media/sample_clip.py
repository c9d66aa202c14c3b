"""The sample film for people without a camera: one portrait, moved as a person moves before a webcam.

``python -m fer_core.media.sample_clip artifacts/samples/astronaut.jpg artifacts/samples/astronaut.mp4`` makes it anew.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from fer_core.errors import FerError
from fer_core.media.images import read_image
from fer_core.media.video_reader import read_frames
from fer_core.media.video_writer import write_video
from fer_core.storage import ARTIFACTS

SAMPLE_CLIP = ARTIFACTS / "samples" / "astronaut.mp4"
WIDTH, HEIGHT = 640, 480
"""Pixels; what webcams give by default."""
FRAMES_PER_SECOND = 25
SECONDS = 8

# Where the head is in the astronaut photo, as fractions of its width and height.
_HEAD = (0.44, 0.23)
# Every motion is a whole number of swings per film, so that the film can be looped without a jump.
_ZOOM, _ZOOM_SWING = 1.85, 0.40
_PAN, _PAN_SWINGS = 70, 2
_NOD, _NOD_SWINGS = 8, 3
_TILT, _TILT_SWINGS = 9, 1
# The photo ends close above the hair, so the head sits higher in the frame while it is small.
_HEAD_Y, _HEAD_Y_SWING = 205, 30


def make_clip(photo: np.ndarray) -> Iterator[np.ndarray]:
    """Pan, zoom and tilt over the astronaut photo; the face stays in view and 135 to 230 pixels tall.

    Args:
        photo: ``(512, 512, 3) uint8``, BGR.

    Yields:
        ``SECONDS * FRAMES_PER_SECOND`` frames, ``(HEIGHT, WIDTH, 3) uint8``, BGR.
    """
    head = (_HEAD[0] * photo.shape[1], _HEAD[1] * photo.shape[0])
    count = SECONDS * FRAMES_PER_SECOND
    for number in range(count):
        turn = 2 * math.pi * number / count
        zoom = _ZOOM - _ZOOM_SWING * math.cos(turn)
        head_y = _HEAD_Y - _HEAD_Y_SWING * math.cos(turn)
        # Degrees about the head, then pixels of the frame.
        motion = cv2.getRotationMatrix2D(head, _TILT * math.sin(_TILT_SWINGS * turn), zoom)
        motion[0, 2] += WIDTH / 2 - head[0] + _PAN * math.sin(_PAN_SWINGS * turn)
        motion[1, 2] += head_y - head[1] + _NOD * math.sin(_NOD_SWINGS * turn)
        # What is missing beyond the photo's edges is mostly plain background, which can be mirrored unnoticed.
        yield cv2.warpAffine(photo, motion, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the film that is named on the command line from the photo that is."""
    parser = argparse.ArgumentParser(prog="python -m fer_core.media.sample_clip", description=__doc__)
    parser.add_argument("photo", help="the astronaut photo, 512 x 512 pixels")
    parser.add_argument("film", help="the MP4 file to write")
    options = parser.parse_args(arguments)
    try:
        write_video(options.video, make_clip(read_image(options.photo)), FRAMES_PER_SECOND)
    except FerError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()


class LoopedClip:
    """A film that begins again when it ends.

    Args:
        path: of the film.

    Raises:
        VideoError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames = self._endless()
        self._first: np.ndarray | None = next(
            self._frames
        )  # a film that can't be read is told of now, not in the stream

    def next_frame(self) -> np.ndarray:
        """The next frame, ``(H, W, 3) uint8`` BGR."""
        first, self._first = self._first, None
        return next(self._frames) if first is None else first

    def _endless(self) -> Iterator[np.ndarray]:
        while True:
            for _, frame in read_frames(self._path):
                yield frame
