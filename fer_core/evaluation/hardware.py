"""The machine that something was trained or measured on, in words."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fer_core.storage import ARTIFACTS

_CPUINFO = Path("/proc/cpuinfo")


_INSTRUCTIONS = {
    "amx_int8": "AMX",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX VNNI",
    "avx2": "AVX2",
}
"""What int8 networks run on, widest first: with VNNI they are up to ten times as fast as with AVX2 alone."""


def hardware(accelerator: str | None = None, cpuinfo: Path = _CPUINFO) -> str:
    """Processor, its widest instructions and cores, in words, after the accelerator that did the work, if one did."""
    model = platform.processor() or platform.machine()
    if cpuinfo.exists():
        names = re.findall(r"^model name\s*:\s*(.*)$", cpuinfo.read_text(), re.MULTILINE)
        model = names[0] if names else model
    flags = _flags(cpuinfo)
    words = [model, *[name for flag, name in _INSTRUCTIONS.items() if flag in flags][:1], f"{os.cpu_count()} cores"]
    processor = ", ".join(words)
    return f"{accelerator} beside {processor}" if accelerator else processor


def lacks_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this processor is known to compute bfloat16 in software only, which takes ten times as long as float32."""
    flags = _flags(cpuinfo)
    return bool(flags) and not {"avx512_bf16", "amx_bf16"} & flags


def _flags(cpuinfo: Path) -> set[str]:
    """Instructions that the processor is known to have."""
    found = re.findall(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return set(found[0].split()) if found else set()


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

    from fer_core.vision.litert import MAX_BATCH, LiteRTNetwork

    networks = [LiteRTNetwork(file.read_bytes()) for file in litert_files]
    for network in networks:
        network.predict(np.zeros((MAX_BATCH, network.input_size, network.input_size), np.uint8))


if __name__ == "__main__":
    if sys.argv[1:]:
        _run([Path(argument) for argument in sys.argv[1:]])
    print(peak_megabytes())
