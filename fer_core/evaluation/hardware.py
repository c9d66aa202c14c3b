"""The machine that something was trained or measured on, in words."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

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
