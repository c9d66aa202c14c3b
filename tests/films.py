"""Small films that the tests make themselves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction

import av
import cv2
import numpy as np
import skimage.data

from fer_core.augmentation.masks.bank import draw_mask
from fer_core.augmentation.masks.placement import FER2013_MASK_ANCHORS, MaskAnchors
from fer_core.augmentation.masks.textures import MaskKind
from fer_core.vision.detection.base import FaceDetector

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


def portrait(shift: int = 0) -> np.ndarray:
    """``(120, 160, 3)``: the face, rolled sideways by some pixels."""
    return np.ascontiguousarray(np.roll(cv2.resize(ASTRONAUT[20:200, 110:350], (160, 120)), shift, axis=1))


def in_a_mask(frame: np.ndarray, detector: FaceDetector) -> np.ndarray:
    """A frame whose first face wears a surgical mask."""
    box = detector.framing.crop_box(detector.detect(frame)[0].box)
    places = {
        name: (box.x + x * box.width, box.y + y * box.height) for name, (x, y) in asdict(FER2013_MASK_ANCHORS).items()
    }
    return draw_mask(frame, MaskAnchors(**places), MaskKind.SURGICAL, np.random.default_rng(0))


def film(
    frames: Sequence[np.ndarray],
    milliseconds: Sequence[int] | None = None,
    container: str = "mp4",
    matrix: Sequence[int] | None = None,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
) -> bytes:
    """An H.264 film with the given times and display matrix, and a key frame every ten frames."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.max_b_frames, stream.gop_size = "yuv420p", b_frames, 10
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.set_display_matrix(matrix)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.time_base, frame.pts = Fraction(1, 1000), milliseconds[number] if milliseconds else number * 40
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def with_sound(seconds: float, codec: str = "aac", container: str = "mp4", rate: int = 48_000) -> bytes:
    """A film of the portrait at 25 frames a second with a tone of 440 Hz."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        picture, sound = output.add_stream("libx264", rate=25), output.add_stream(codec, rate=rate)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        sound.layout = "mono"
        tone = (np.sin(np.arange(int(seconds * rate)) * 440 * 2 * np.pi / rate) * 9000).astype(np.int16)
        for number in range(round(seconds * 25)):
            output.mux(picture.encode(av.VideoFrame.from_ndarray(portrait(number), format="bgr24")))
        for start in range(0, len(tone), 960):
            piece = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="s16", layout="mono")
            piece.rate, piece.pts, piece.time_base = rate, start, Fraction(1, rate)
            output.mux(sound.encode(piece))
        output.mux(picture.encode(None))
        output.mux(sound.encode(None))
    return buffer.getvalue()
