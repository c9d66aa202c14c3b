"""``python -m benchmarks NAME``, or ``python -m fer_core benchmark NAME``: measurements that print ratios side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from fer_core.errors import FerError


@dataclass(frozen=True)
class Benchmark:
    """A function of one of this folder's modules that measures and returns a table in words."""

    module: str
    function: str
    options: Mapping[str, str] = field(default_factory=dict)
    """By parameter of the function: the option that it is given. One that is left out takes the function's default."""
    reads: str = ""
    """What ``--data`` must name; empty where it may be left out."""

    def load(self) -> Callable[..., str]:
        """The function."""
        return getattr(import_module(f"benchmarks.{self.module}"), self.function)


_MODEL = {"model": "model"}


_DATA, _FACES = {"data": "data"}, {"faces": "faces"}


_FER2013 = "FER2013"


BENCHMARKS = {
    "frame": Benchmark("speed", "frame_speed", _MODEL),
    "stream": Benchmark("stream", "stream_speed", _MODEL),
    "video": Benchmark("video", "video_speed", _MODEL | {"long": "minutes"}),
    "landmarks": Benchmark("landmarks", "landmark_speed"),
    "live": Benchmark(
        "live", "live_benchmark", _MODEL | {"peers": "peers", "seconds": "seconds", "minutes": "minutes"}
    ),
    "tracking": Benchmark("tracking", "tracking_table", _DATA | {"clip": "clip"}),
    "reading": Benchmark("speed", "reading_speed", {"csv": "data"}, reads=_FER2013),
    "browsing": Benchmark("speed", "browsing_speed", _DATA),
    "insights": Benchmark("insights", "insights_speed", {"minutes": "minutes"}),
    "scenes": Benchmark("speed", "scenes", _MODEL | _DATA | _FACES | {"detectors": "detector"}, reads=_FER2013),
    "rolled-scenes": Benchmark("rolled_scenes", "rolled_scenes", _MODEL | _DATA | _FACES, reads=_FER2013),
    "masked-scenes": Benchmark(
        "masked_scenes",
        "masked_scenes",
        _FACES | {"photos": "data", "detectors": "detector", "fer2013": "fer2013"},
        reads="a folder of photos",
    ),
    "packages": Benchmark("packages", "package_comparison", _MODEL | _DATA | _FACES | {"environments": "environments"}),
    "cluster": Benchmark("cluster", "cluster_speed", _MODEL),
}
"""By the word after ``benchmark``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark and print its table; returns the exit status: 0, or 1 after an error in words."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", choices=tuple(BENCHMARKS))
    parser.add_argument(
        "--data",
        type=Path,
        help="FER2013, for 'reading' (the unpacked csv), '(rolled-)scenes', 'packages' (default: speed alone), 'tracking' "
        "(default: the faces that ship) and 'browsing' (default: noise); for 'masked-scenes' a folder of photos of masked "
        "people",
    )
    parser.add_argument(
        "--fer2013", type=Path, help="FER2013, for 'masked-scenes' to draw masks onto (default: without)"
    )
    parser.add_argument("--model", default="senet")
    parser.add_argument(
        "--faces",
        type=count,
        help="how many PrivateTest faces 'scenes' pastes in (default: all), 'rolled-scenes' (1000), 'packages' (500) or "
        "'masked-scenes' (400)",
    )
    parser.add_argument(
        "--detector",
        action="append",
        help="for 'scenes' (default: blazeface) and 'masked-scenes' (default: every one); repeat to compare",
    )
    parser.add_argument("--clip", type=Path, help="a film for 'tracking' (default: made clips alone)")
    parser.add_argument(
        "--environments",
        type=Path,
        help="for 'packages': folder with a virtual environment each of fer and deepface (default: in the cache folder; "
        "where one is missing, the command that makes it is printed)",
    )
    parser.add_argument("--peers", type=int, help="for 'live': how many watch at once (default: 1)")
    parser.add_argument("--seconds", type=float, help="for 'live': how long to measure (default: 20)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="for 'live', in place of --seconds: 10 show how memory grows; for 'video' of the long film (default: 10); for "
        "'insights' of each log (default: 60)",
    )
    options = parser.parse_args(arguments)
    benchmark = BENCHMARKS[options.what]
    if benchmark.reads and options.data is None:
        raise FerError(f"benchmark {options.what} reads {benchmark.reads}; name it with --data PATH.")
    given = {parameter: getattr(options, option) for parameter, option in benchmark.options.items()}
    print(benchmark.load()(**{parameter: value for parameter, value in given.items() if value is not None}))
    return 0


def count(text: str) -> int | None:
    """How many, as said on the command line; None for 0, which would be nothing to measure."""
    return int(text) or None


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FerError as error:
        raise SystemExit(f"error: {error}") from None
