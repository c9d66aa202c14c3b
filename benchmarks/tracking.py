"""Whether ids stay with people who move, hide for half a second and occlude one another.

The clips are synthetic: real faces on a plain scene, with a detector's jitter and misses sampled at random, so that every
identity is known. Crops come from the scene, so an occluding person is on the crop of the person behind.
Switches are those of CLEAR MOT (Bernardin & Stiefelhagen 2008, EURASIP J. Image and Video Processing, 246309, section
2.1), ID F1 is that of Ristani et al. 2016 (arXiv:1609.01775, section 3.2).
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from benchmarks.synthetic_scenes import SCENE_GREY
from fer_core.analysis.tracking import FaceTracker
from fer_core.datasets import Split, read_dataset
from fer_core.errors import DatasetError
from fer_core.media.video_reader import read_frames
from fer_core.results import BoundingBox
from fer_core.vision.crops import crop_faces
from fer_core.vision.detection.registry import create_detector
from fer_core.vision.mask_state import INPUT_SIZE

PEOPLE = (2, 5, 10)
SECONDS = 20.0
FRAMES_PER_SECOND = 25.0
SCENE = (1280, 720)
"""Width and height in pixels."""
FACE_PIXELS = 64
BOX_JITTER = 0.03
"""Standard deviation of a detected box about the face, in widths: of its centre, and of its size."""
MISSED = 0.03
"""Share of the faces in sight that the detector misses."""
HIDING_SECONDS = 0.5
HIDING_EVERY = 4.0
"""Seconds from one time that a person hides to the next."""
REACH = (1.2, 2.2)
"""Widths of the face that people walk to either side, sampled uniformly."""
TURN_SECONDS = (5.0, 9.0)
NARROW = 0.65
"""Share of the reach in single lanes: ten of them are half as wide as five shared by two."""
COVERED = 0.5
"""Share of a face behind another's from which no detector finds it."""
BEHIND = 0.85
"""Size of a face behind relative to one in front."""
TILT = 8.0
"""Degrees to either side that heads tilt."""
OVERLAP = 0.5
"""Intersection over union from which a box is about this face, the threshold of the MOT benchmarks."""
SHORT_TRACK_SECONDS = 1.0


class Motion(StrEnum):
    """How the people of a clip move."""

    PLAIN = "plain"
    """Each in a lane of their own; all hide now and then."""
    CROSSING = "crossing"
    """Two in a lane, one in front of the other; where they meet they pass or turn back, which looks the same at first."""


@dataclass(frozen=True)
class ClipFrame:
    """One frame of a clip."""

    timestamp: float
    """Seconds."""
    truth: Mapping[int, BoundingBox]
    """Box of each visible person, by number."""
    boxes: tuple[BoundingBox, ...]
    """Boxes of the detector."""
    crops: np.ndarray
    """``(len(boxes), 48, 48) uint8`` grey."""


@dataclass(frozen=True)
class IdentityScore:
    """How well ids stayed with people."""

    switches: int
    """Times that a person gets another id than before."""
    id_f1: float
    """ID F1 in [0, 1]."""


def sample_faces(data: Path | None = None) -> np.ndarray:
    """Faces of different people, ``(N, S, S) uint8`` grey.

    Args:
        data: FER2013, whose test faces are taken; without it a hundred of Labeled Faces in the Wild that come with
            scikit-image.

    Raises:
        DatasetError: neither is there.
    """
    if data is not None:
        return read_dataset(data).split(Split.TEST).images[: 10 * max(PEOPLE)]
    try:
        from skimage.data import lfw_subset
    except ImportError as error:
        raise DatasetError(
            "The clips are made of faces that come with scikit-image, which is not installed: install it or name "
            "FER2013 with --data PATH."
        ) from error
    return np.rint(lfw_subset()[:100] * 255).astype(np.uint8)  # the other hundred are no faces


def make_clip(
    motion: Motion, people: int, faces: np.ndarray, seed: int = 0, seconds: float | None = None
) -> Iterator[ClipFrame]:
    """A clip of so many people, frame by frame; the same seed makes the same clip.

    Args:
        motion: how they move.
        people: at most 10.
        faces: ``(N, S, S) uint8`` grey to draw theirs from, ``people`` at least.
        seed: of faces, paths and the detector's errors.
        seconds: length; :data:`SECONDS` by default.
    """
    seconds = SECONDS if seconds is None else seconds
    rng = np.random.default_rng(seed)
    portraits = faces[rng.choice(len(faces), people, replace=False)]
    alone = motion == Motion.PLAIN
    number = np.arange(people)
    in_front = (number % 2 == 0) | alone
    lane = number if alone else number // 2
    columns = lane.max() // 2 + 1
    middle = np.column_stack([(lane % columns + 0.5) * SCENE[0] / columns, (lane // columns + 0.5) * SCENE[1] / 2])
    size = FACE_PIXELS * np.where(in_front, 1.0, BEHIND)
    reach = FACE_PIXELS * rng.uniform(*REACH, people)[lane] * (NARROW if alone else np.where(in_front, 1, -1))
    turn = rng.uniform(*TURN_SECONDS, (3, people))
    phase = rng.uniform(0, 2, (3, people))  # in half turns
    side = rng.choice([-1, 1], (3 + int(2 * seconds / TURN_SECONDS[0]), people))  # on which each half turn is spent
    hides_from = rng.uniform(0, HIDING_EVERY, people)
    for frame_number in range(round(seconds * FRAMES_PER_SECOND)):
        now = frame_number / FRAMES_PER_SECOND
        half_turns = 2 * now / turn + phase
        _, down, tilt = np.sin(np.pi * half_turns)
        across = np.abs(np.sin(np.pi * half_turns[0])) * side[half_turns[0].astype(int), number]
        centres = middle + np.column_stack([reach * across[lane], 0.15 * FACE_PIXELS * down])
        corners = centres - size[:, None] / 2
        places = [
            BoundingBox(x, y, width, width) for (x, y), width in zip(corners.tolist(), size.tolist(), strict=True)
        ]
        shown = number[(now - hides_from) % HIDING_EVERY >= HIDING_SECONDS] if alone else number
        scene = np.full((SCENE[1], SCENE[0], 3), SCENE_GREY, np.uint8)
        for person in sorted(shown.tolist(), key=in_front.__getitem__):
            _paint(scene, portraits[person], places[person], TILT * tilt[person])
        truth = {
            person: places[person]
            for person in shown.tolist()
            if in_front[person] or not _covered(places[person], places[person - 1])
        }
        found = [_jittered(box, rng) for box in truth.values() if rng.random() >= MISSED]
        rng.shuffle(found)
        yield ClipFrame(now, truth, tuple(found), crop_faces(scene, found, INPUT_SIZE))


def _paint(scene: np.ndarray, portrait: np.ndarray, place: BoundingBox, tilt: float) -> None:
    side, x, y = round(place.width), round(place.x), round(place.y)
    scale = side / len(portrait)
    motion = np.asarray(cv2.getRotationMatrix2D((len(portrait) / 2, len(portrait) / 2), tilt, scale), np.float64)
    motion[:, 2] += (side - len(portrait)) / 2
    face = cv2.warpAffine(portrait, motion, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    scene[y : y + side, x : x + side] = face[..., None]


def _covered(box: BoundingBox, front: BoundingBox) -> bool:
    overlap = box.intersection_over_union(front)
    return overlap / (1 + overlap) * (box.area + front.area) > COVERED * box.area


def _jittered(box: BoundingBox, rng: np.random.Generator) -> BoundingBox:
    aside, below, larger = rng.normal(0, BOX_JITTER, 3)
    side = box.width * math.exp(larger)
    x, y = box.x + box.width * (0.5 + aside) - side / 2, box.y + box.height * (0.5 + below) - side / 2
    return BoundingBox(x, y, side, side)


Labelled = Sequence[Mapping[int, BoundingBox]]
"""For each frame, boxes by identity."""


def identity_score(truth: Labelled, found: Labelled) -> IdentityScore:
    """Compare tracked boxes with the true ones.

    Args:
        truth: for each frame the visible people.
        found: for each frame the boxes by their ids.
    """
    last: dict[int, int] = {}  # the id under which a person was last found
    together: Counter[tuple[int, int]] = Counter()
    switches = 0
    for people, ids in zip(truth, found, strict=True):
        overlaps = {
            (person, id_): overlap
            for person, box in people.items()
            for id_, other in ids.items()
            if (overlap := box.intersection_over_union(other)) >= OVERLAP
        }
        together.update(overlaps.keys())
        # What held in the last frame holds on where it can; only the rest is paired anew.
        paired = {person: id_ for person, id_ in last.items() if (person, id_) in overlaps}
        free = {
            pair: overlap
            for pair, overlap in overlaps.items()
            if pair[0] not in paired and pair[1] not in paired.values()
        }
        paired |= dict(_assign(free))
        switches += sum(last.get(person, id_) != id_ for person, id_ in paired.items())
        last |= paired
    boxes = sum(map(len, truth)) + sum(map(len, found))
    true_boxes = sum(together[pair] for pair in _assign(together))
    return IdentityScore(switches, 2 * true_boxes / boxes if boxes else 1.0)


def _assign(worth: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The pairs, one to one, that are worth most together (Hungarian method)."""
    people, ids = sorted({person for person, _ in worth}), sorted({id_ for _, id_ in worth})
    table = np.array([[worth.get((person, id_), 0.0) for id_ in ids] for person in people]).reshape(
        len(people), len(ids)
    )
    pairs = [
        (people[row], ids[column]) for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True)
    ]
    return [pair for pair in pairs if pair in worth]


def follow(clip: Sequence[ClipFrame], with_crops: bool = True) -> list[dict[int, BoundingBox]]:
    """Track a clip: for each frame the boxes by their ids."""
    tracker = FaceTracker()
    return [
        dict(
            zip(
                tracker.update(clip_frame.boxes, clip_frame.timestamp, clip_frame.crops if with_crops else None),
                clip_frame.boxes,
                strict=True,
            )
        )
        for clip_frame in clip
    ]


def tracking_table(clip: Path | None = None, data: Path | None = None) -> str:
    """Switches and ID F1 of synthetic clips, and statistics of the tracks in a video.

    Args:
        clip: the video; without it only the synthetic clips.
        data: where the faces of the clips come from, see :func:`sample_faces`.

    Raises:
        DatasetError: there are no faces to make clips of.
        VideoError: the video cannot be read.
    """
    faces = sample_faces(data)
    rows: list[dict[str, object]] = []
    for motion in Motion:
        for people in PEOPLE:
            clip_frames = list(make_clip(motion, people, faces))
            truth = [clip_frame.truth for clip_frame in clip_frames]
            started = time.perf_counter()
            found = follow(clip_frames)
            seconds = time.perf_counter() - started
            score = identity_score(truth, found)
            rows.append(
                {
                    "motion": str(motion),
                    "people": people,
                    "frames": len(clip_frames),
                    "lost from sight": times_lost(truth),
                    "ids": len({id_ for ids in found for id_ in ids}),
                    "switches": score.switches,
                    "ID F1": round(score.id_f1, 3),
                    "switches without crops": identity_score(truth, follow(clip_frames, with_crops=False)).switches,
                    "ms per frame": round(seconds / len(clip_frames) * 1e3, 2),
                }
            )
    table = pd.DataFrame(rows).to_string(index=False)
    return table if clip is None else f"{table}\n\n{video_table(clip)}"


def times_lost(truth: Labelled) -> int:
    """How often a visible person is not in the next frame."""
    return sum(len(before.keys() - after.keys()) for before, after in pairwise(truth))


def video_table(clip: Path) -> str:
    """Statistics of a video's tracks without known identities.

    Tracks of less than a second are mostly fragments of longer ones, or no faces; more ids than people at once would mean
    two tracks on one face.

    Raises:
        VideoError: the video cannot be read.
    """
    detector, tracker = create_detector(), FaceTracker()
    seen: dict[int, list[float]] = {}
    most, times = 0, []
    for timestamp, frame in read_frames(clip):
        found = detector.detect(frame)
        crops = crop_faces(frame, [detector.framing.crop_box(each.box) for each in found], INPUT_SIZE)
        started = time.perf_counter()
        ids = tracker.update([each.box for each in found], timestamp, crops)
        times.append((time.perf_counter() - started) * 1e3)
        most = max(most, len(ids))
        for id_ in ids:
            seen.setdefault(id_, []).append(timestamp)
    lengths = [moments[-1] - moments[0] for moments in seen.values()]
    row = {
        "film": clip.name,
        "frames": len(times),
        "tracks": len(seen),
        "median seconds": round(statistics.median(lengths), 1) if lengths else 0.0,
        "under 1 s": sum(length < SHORT_TRACK_SECONDS for length in lengths),
        "most faces at once": most,
        "ms per frame": round(statistics.median(times), 2),
    }
    return pd.DataFrame([row]).to_string(index=False)
