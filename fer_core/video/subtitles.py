"""Subtitles with the expression of each person in a video, as WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from fer_core.results import MaskState
from fer_core.video.persons import PersonSeries

MIN_CUE_SECONDS = 0.4
"""Shorter verdicts are left out, since nobody could read them."""
MAX_CUE_GAP_SECONDS = 0.5
"""Seconds out of sight after which a person's subtitle ends."""


def webvtt(people: Sequence[PersonSeries], frame_seconds: float, offset: float = 0.0) -> str:
    """One cue for each stretch in which a person's verdict and mask stay the same: ``Person 1: happy, masked``.

    Args:
        people: of one video.
        frame_seconds: duration of a frame, added to the end of the last cue.
        offset: seconds to subtract from all times, for a video that begins there.

    Returns:
        The file's content.
    """
    cues = sorted(cue for person in people for cue in _cues(person, frame_seconds))
    blocks = [f"{_clock(start - offset)} --> {_clock(end - offset)}\n{words}" for start, end, words in cues]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def _cues(person: PersonSeries, frame_seconds: float) -> list[tuple[float, float, str]]:
    """Start, end and words of a person's cues."""
    cues: list[tuple[float, float, str]] = []
    times = person.times.tolist()
    ends = [after if after - now <= max(MAX_CUE_GAP_SECONDS, 2 * frame_seconds) else now + frame_seconds
            for now, after in zip(times, [*times[1:], times[-1] + frame_seconds], strict=True)]  # fmt: skip
    states = zip(times, ends, map(_words, person.verdicts, person.masks), strict=True)
    for words, run in groupby(states, key=lambda state: state[2]):
        members = list(run)
        begun = 0
        for number, (_, end, _) in enumerate(members):
            if number + 1 == len(members) or members[number + 1][0] > end:  # out of sight in between
                cues.append((members[begun][0], end, f"Person {person.track}: {words}"))
                begun = number + 1
    return _readable(cues)


def _readable(cues: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Cues without those too short to read; the cue before is extended over them."""
    kept: list[tuple[float, float, str]] = []
    for start, end, words in cues:
        joins = bool(kept) and start <= kept[-1][1]
        if joins and (end - start < MIN_CUE_SECONDS or kept[-1][2] == words):
            kept[-1] = (kept[-1][0], end, kept[-1][2])
        else:
            kept.append((start, end, words))
    return kept


def _words(verdict: str, mask: str | None) -> str:
    return f"{verdict}, {mask}" if mask not in (None, MaskState.UNMASKED) else verdict


def _clock(seconds: float) -> str:
    """``00:00:01.040``."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
