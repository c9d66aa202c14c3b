"""The 468 points of a face and its irises: MediaPipe's face landmark and iris networks run with LiteRT.

Face mesh: Kartynnik et al. 2019, arXiv:1907.06724. Iris: Ablavatski et al. 2020, arXiv:2006.11341. The model files lie
in ``artifacts/mediapipe``; the regions follow MediaPipe's
``face_landmark_front_cpu.pbtxt`` and ``iris_landmark_landmarks_to_roi.pbtxt``.

Points are continuous coordinates of the frame, in which pixel ``j`` covers ``[j, j + 1]``: a mirrored frame of width W has
its points at ``W - x``. "Right" and "left" are the person's; the right eye lies on the left of a frame that is not mirrored.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_core.results import BoundingBox
from fer_core.vision.detection.base import check_frame
from fer_core.vision.detection.blazeface import BLAZEFACE_VARIANTS
from fer_core.vision.litert import mediapipe_model_path, sigmoid

FACE_POINTS = 468
LANDMARK_FILE = "face_landmark.tflite"
IRIS_FILE = "iris_landmark.tflite"

FACE_SCALE = 1.5
"""Side of the landmark network's region, in longer sides of BlazeFace's box or of the points' extent."""
EYE_SCALE = 2.3
"""Side of the iris network's region, in distances between the eye's corners."""
MIN_PRESENCE = 0.5
"""Score from which a region counts as a face: MediaPipe's ``min_tracking_confidence``."""
SAME_ROLL = 6.0
"""Degrees between the roll of the region and the roll found in it, up to which no further pass is needed."""
MAX_PASSES = 3
"""Passes over a face of unknown roll; each finds about half of the remaining roll."""


@dataclass(frozen=True)
class EyeCorners:
    """Where the corners of one eye lie among the 468 points."""

    outer: int
    """At the temple."""
    inner: int
    """At the nose."""


RIGHT_EYE, LEFT_EYE = EyeCorners(33, 133), EyeCorners(263, 362)
EYES = (RIGHT_EYE, LEFT_EYE)
"""In the order of every array that has one entry per eye."""


@dataclass(frozen=True)
class EyeLandmarks:
    """What the iris network finds in the eyes of one face, in pixels of the frame."""

    contours: np.ndarray
    """``(2, 71, 2) float32``: 16 points of the lids, then the surroundings and the brow.

    The lids go from the outer corner (0) along the lower lid to the inner corner (8), and along the upper lid from the
    outer side (9) to the inner (15).
    """
    irises: np.ndarray
    """``(2, 5, 2) float32``: the centre, and the rim towards the nose, above, towards the temple and below."""


@dataclass(frozen=True)
class FaceLandmarks:
    """The points of one face in pixels of the frame."""

    points: np.ndarray
    """``(468, 3) float32``: x, y, and depth z in the same unit, smaller towards the camera, with a zero of its own."""
    presence: float
    """The network's confidence in [0, 1] that it saw a face."""
    eyes: EyeLandmarks | None = None
    """None where they were not read."""

    @property
    def roll(self) -> float:
        """Degrees in [-180, 180] by which the head is rolled clockwise in the image."""
        return roll_of_eyes(self.points[RIGHT_EYE.outer], self.points[LEFT_EYE.outer])

    def moved(self, old: BoundingBox, new: BoundingBox) -> FaceLandmarks:
        """The points where they are if the face went from one box to another without turning."""
        scale = np.array([new.width / old.width, new.height / old.height], np.float32)
        shift = np.array([new.x, new.y], np.float32) - scale * np.array([old.x, old.y], np.float32)
        points = self.points.copy()
        points[:, :2] = points[:, :2] * scale + shift
        eyes = self.eyes and EyeLandmarks(self.eyes.contours * scale + shift, self.eyes.irises * scale + shift)
        return FaceLandmarks(points, self.presence, eyes)


@dataclass(frozen=True)
class Region:
    """A rotated square of the frame, in its pixels: the input of a network."""

    x: float
    """Of the centre."""
    y: float
    side: float
    roll: float = 0.0
    """Degrees by which the square's top edge is turned clockwise in the image."""
    mirrored: bool = False
    """Whether the network sees it mirrored."""

    def frame_from_unit(self) -> np.ndarray:
        """``(2, 3) float64`` affine map from the square [0, 1] x [0, 1] that the network sees to pixels of the frame."""
        right = self.side * np.array([math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))])
        down = np.array([-right[1], right[0]])
        if self.mirrored:
            right = -right
        return np.column_stack([right, down, (self.x, self.y) - (right + down) / 2])


def roll_of_eyes(right: np.ndarray, left: np.ndarray) -> float:
    """Degrees in [-180, 180] by which a head is rolled clockwise in the image, from x and y of its right and left eye."""
    return math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))


def region_of_box(crop_box: BoundingBox, roll: float = 0.0) -> Region:
    """The region of a detected face.

    Args:
        crop_box: the square that frames the face as FER2013 does, in pixels, as
            :meth:`fer_core.vision.framing.FaceFraming.crop_box` gives for any detector.
        roll: degrees by which the head is rolled clockwise.

    Raises:
        ValueError: a box without area.
    """
    if not (crop_box.width > 0 and crop_box.height > 0):
        raise ValueError(f"a face region needs a box of positive width and height, got {crop_box}")
    framing = BLAZEFACE_VARIANTS["back"].framing  # MediaPipe's regions are made for its boxes
    across, down = framing.right - framing.left, framing.bottom - framing.top
    return Region(
        crop_box.x + crop_box.width * (framing.left + across / 2),
        crop_box.y + crop_box.height * (framing.top + down / 2),
        FACE_SCALE * max(crop_box.width * across, crop_box.height * down),
        roll,
    )


def region_of_points(points: np.ndarray) -> Region:
    """The region of a face whose ``(468, 3)`` points are known from a first pass.

    MediaPipe measures the extent along the frame's axes; here it is measured along the face's own, so that the region
    keeps its size when the head is rolled.
    """
    roll = roll_of_eyes(points[RIGHT_EYE.outer], points[LEFT_EYE.outer])
    cosine, sine = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    along, down = x * cosine + y * sine, y * cosine - x * sine
    wide, high = float(np.ptp(along)), float(np.ptp(down))
    middle, level = float(along.min()) + wide / 2, float(down.min()) + high / 2
    side = FACE_SCALE * max(wide, high)
    return Region(middle * cosine - level * sine, middle * sine + level * cosine, side, roll)


def eye_region(points: np.ndarray, eye: EyeCorners) -> Region:
    """The region of one eye of a face; the left eye is seen mirrored, since the network knows right eyes."""
    left_eye = eye is LEFT_EYE
    start, end = (eye.inner, eye.outer) if left_eye else (eye.outer, eye.inner)
    x, y = (points[start, :2] + points[end, :2]) / 2
    side = EYE_SCALE * float(np.hypot(*(points[end, :2] - points[start, :2])))
    return Region(float(x), float(y), side, roll_of_eyes(points[start], points[end]), mirrored=left_eye)


class RegionNetwork:
    """One of MediaPipe's networks that read a square region; calls from several threads take turns.

    Regions are read one by one: measured on one thread, a face of a batch takes as long as a face alone, and every change
    of the batch's size costs as much as several runs.

    Args:
        file_name: of the model in ``artifacts/mediapipe``.
        threads: CPU threads of one call.

    Raises:
        ModelError: the wheel with the model files is not installed.
    """

    def __init__(self, file_name: str, threads: int = 1) -> None:
        model = mediapipe_model_path(file_name).read_bytes()
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        (details,) = self._interpreter.get_input_details()
        self._input, self._tensor = details["index"], np.empty(details["shape"], np.float32)
        self._size = int(details["shape"][1])
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self._lock = threading.Lock()

    def run(self, frame: np.ndarray, region: Region) -> list[np.ndarray]:
        """The network's outputs for a region of an ``(H, W, 3) uint8`` BGR frame, each flattened, ``float32``."""
        patch = cv2.cvtColor(cut_region(frame, region, self._size), cv2.COLOR_BGR2RGB)
        with self._lock:
            np.multiply(patch, np.float32(1 / 255), out=self._tensor[0])
            self._interpreter.set_tensor(self._input, self._tensor)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index).ravel() for index in self._outputs]

    def in_frame(self, values: np.ndarray, region: Region) -> np.ndarray:
        """``(n, 3) float32`` points of the frame from an output's ``(3 * n,)`` values in pixels of the network's input."""
        unit = values.reshape(-1, 3).astype(np.float64) / self._size
        affine = region.frame_from_unit()
        # Written out, since OpenBLAS splits even this product over all cores and then waits for busy ones.
        flat = unit[:, :1] * affine[:, 0] + unit[:, 1:2] * affine[:, 1] + affine[:, 2]
        return np.column_stack([flat, unit[:, 2] * region.side]).astype(np.float32)


def cut_region(frame: np.ndarray, region: Region, size: int) -> np.ndarray:
    """A region as an upright image; beyond the frame's border the nearest pixel is repeated.

    Args:
        frame: ``(H, W, 3) uint8``.
        region: of positive side, anywhere.
        size: side of the image in pixels.

    Returns:
        ``(size, size, 3) uint8``.
    """
    affine = region.frame_from_unit()
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) @ affine.T
    # Bilinear alone would skip pixels of a large face. Averaging whole blocks first mends that.
    block = max(1, int(region.side / size))
    spans = []
    for axis, available in ((1, frame.shape[0]), (0, frame.shape[1])):
        first = min(max(math.floor(corners[:, axis].min()) - block, 0), available - 1)
        last = min(max(math.ceil(corners[:, axis].max()) + block, first + 1), available)
        spans.append((first, last))
    (top, bottom), (left, right) = spans
    patch = frame[top:bottom, left:right]
    shrink_x = shrink_y = 1.0
    if block > 1:
        wide, high = max(1, (right - left) // block), max(1, (bottom - top) // block)
        patch = cv2.resize(patch, (wide, high), interpolation=cv2.INTER_AREA)
        shrink_x, shrink_y = (right - left) / wide, (bottom - top) / high
    # From indices of the image's pixels, whose centres lie half a pixel on, to indices of the patch's.
    affine[:, 2] += affine[:, :2].sum(axis=1) * 0.5 / size - (left, top)
    affine[:, :2] /= size
    affine /= np.array([[shrink_x], [shrink_y]])
    affine[:, 2] -= 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(patch, affine, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


class LandmarkReader:
    """Finds the points of faces, and of their irises where asked to; may be shared between threads.

    Args:
        threads: CPU threads of one call.
        with_eyes: whether to run the iris network, which finds the irises and the lids.

    Raises:
        ModelError: the wheel with the model files is not installed.

    Example:
        >>> from skimage.data import astronaut
        >>> reader = LandmarkReader()
        >>> (face,) = reader.read(astronaut()[..., ::-1], [BoundingBox(162, 52, 125, 125)])
        >>> face.points.shape, face.eyes.irises.shape, face.presence > 0.9
        ((468, 3), (2, 5, 2), True)
    """

    def __init__(self, threads: int = 1, with_eyes: bool = True) -> None:
        self._faces = RegionNetwork(LANDMARK_FILE, threads)
        self._eyes = RegionNetwork(IRIS_FILE, threads) if with_eyes else None

    def read(
        self,
        frame: np.ndarray,
        crop_boxes: Sequence[BoundingBox],
        rolls: Sequence[float | None] | None = None,
    ) -> list[FaceLandmarks | None]:
        """The points of every face.

        One pass is enough if the roll is known to a few degrees. Otherwise the region is rotated by the roll that was found
        and read again, until the roll stays.

        Args:
            frame: ``(H, W, 3) uint8`` BGR.
            crop_boxes: one square per face, see :func:`region_of_box`.
            rolls: per face its roll in degrees, if it is known: :func:`roll_of_eyes` of a detector that knows the eyes,
                or :attr:`FaceLandmarks.roll` in the frame before.

        Returns:
            Per box the landmarks, or None where the network sees no face.

        Raises:
            ValueError: the frame has another shape or type, or a box has no area.
        """
        check_frame(frame)
        faces = [
            self._find(frame, region_of_box(box, roll or 0.0))
            for box, roll in zip(crop_boxes, rolls or [None] * len(crop_boxes), strict=True)
        ]
        if self._eyes is None:
            return faces
        return [face and self.refine_eyes(frame, face) for face in faces]

    def refine_eyes(self, frame: np.ndarray, face: FaceLandmarks) -> FaceLandmarks:
        """The face with its eyes: what :meth:`read` does to every face.

        Raises:
            ValueError: the reader was made without eyes.
        """
        if self._eyes is None:
            raise ValueError("this reader does not look at eyes, make one with with_eyes=True")
        contours, irises = [], []
        for eye in EYES:
            region = eye_region(face.points, eye)
            contour, iris = (self._eyes.in_frame(values, region) for values in self._eyes.run(frame, region))
            contours.append(contour[:, :2])
            irises.append(iris[:, :2])
        return replace(face, eyes=EyeLandmarks(np.stack(contours), np.stack(irises)))

    def _find(self, frame: np.ndarray, region: Region) -> FaceLandmarks | None:
        face = self._locate(frame, region)
        for _ in range(MAX_PASSES - 1):
            turned = region_of_points(face.points)
            settled = abs(math.remainder(turned.roll - region.roll, 360)) <= SAME_ROLL
            if face.presence >= MIN_PRESENCE and settled:
                break
            again = self._locate(frame, turned)
            if again.presence < MIN_PRESENCE <= face.presence:
                break
            region, face = turned, again
        return face if face.presence >= MIN_PRESENCE else None

    def _locate(self, frame: np.ndarray, region: Region) -> FaceLandmarks:
        values, logit = self._faces.run(frame, region)
        return FaceLandmarks(self._faces.in_frame(values, region), float(sigmoid(logit)[0]))
