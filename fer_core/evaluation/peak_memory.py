"""Peak memory of a process of its own: ``python -m fer_core.evaluation.peak_memory [LITERT_FILE...]`` prints megabytes.

With files it loads the networks as the pages do, all at once, and runs one batch of theirs through each; without one it
is the bare interpreter.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fer_core import ARTIFACTS

_STATUS = Path("/proc/self/status")


def peak_megabytes() -> float:
    """The most memory this process has held so far, in MB of 2**20 bytes.

    Read as ``VmHWM`` where Linux gives it: ``ru_maxrss`` also counts what the parent held when it started this process.
    """
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    peaks = [line.split() for line in lines if line.startswith("VmHWM:")]
    if peaks:
        return int(peaks[0][1]) / 1024
    per_megabyte = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_megabyte


def peak_megabytes_of(*litert_files: Path) -> float:
    """Peak memory in MB of a fresh interpreter that loads and runs LiteRT files, one or an ensemble's, or does nothing."""
    command = [sys.executable, "-m", __name__, *(str(file.resolve()) for file in litert_files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ARTIFACTS.parent)
    return float(done.stdout)


def _run(litert_files: Sequence[Path]) -> None:
    import numpy as np

    from fer_core.vision.expression import LARGEST_BATCH, LiteRTNetwork

    networks = [LiteRTNetwork(file.read_bytes()) for file in litert_files]
    for network in networks:
        network.predict(np.zeros((LARGEST_BATCH, network.input_size, network.input_size), np.uint8))


if __name__ == "__main__":
    if sys.argv[1:]:
        _run([Path(argument) for argument in sys.argv[1:]])
    print(peak_megabytes())
