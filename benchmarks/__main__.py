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
    """Parameter of the function -> command-line option; an option that is left out leaves the function's default."""
    reads: str = ""
    """What ``--data`` must name; empty if ``--data`` is optional."""

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
    parser.add_argument("what", choices=tuple(BENCHMARKS), help="which measurement to run")
    parser.add_argument(
        "--data",
        type=Path,
        help="FER2013: needed by 'reading' (the unpacked csv), 'scenes' and 'rolled-scenes'; optional for 'packages' "
        "(without: speed only), 'tracking' (without: faces of scikit-image) and 'browsing' (without: noise). For "
        "'masked-scenes': a folder with photos of masked people",
    )
    parser.add_argument("--fer2013", type=Path, help="for 'masked-scenes': FER2013, to also draw masks onto its faces")
    parser.add_argument("--model", default="senet", help="name of a stored model (default: %(default)s)")
    parser.add_argument(
        "--faces",
        type=count,
        help="number of PrivateTest faces (default: all for 'scenes', 1000 for 'rolled-scenes', 500 for 'packages', 400 for "
        "'masked-scenes'); 0 means the default",
    )
    parser.add_argument(
        "--detector",
        action="append",
        help="face detector for 'scenes' (default: blazeface) and 'masked-scenes' (default: all); repeat to compare",
    )
    parser.add_argument(
        "--clip", type=Path, help="for 'tracking': a video to follow faces in, beside the synthetic clips"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        help="for 'packages': folder with one virtual environment each for fer and deepface (default: in the cache folder); "
        "if one is missing, the command that creates it is printed",
    )
    parser.add_argument("--peers", type=int, help="for 'live': number of simultaneous visitors (default: 1)")
    parser.add_argument("--seconds", type=float, help="for 'live': duration of the measurement (default: 20)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="for 'live': duration instead of --seconds (10 show memory growth); for 'video': length of the long video "
        "(default: 10); for 'insights': length of each log (default: 60)",
    )
    options = parser.parse_args(arguments)
    benchmark = BENCHMARKS[options.what]
    if benchmark.reads and options.data is None:
        raise FerError(f"benchmark {options.what} reads {benchmark.reads}; name it with --data PATH.")
    given = {parameter: getattr(options, option) for parameter, option in benchmark.options.items()}
    print(benchmark.load()(**{parameter: value for parameter, value in given.items() if value is not None}))
    return 0


def count(text: str) -> int | None:
    """The number in ``text``; None for 0, which would leave nothing to measure."""
    return int(text) or None


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FerError as error:
        raise SystemExit(f"error: {error}") from None
