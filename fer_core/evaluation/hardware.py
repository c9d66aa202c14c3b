"""The machine that something was trained or measured on, in words."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def hardware(accelerator: str | None = None) -> str:
    """Processor and cores of this machine, in words, after the accelerator that did the work, if one did."""
    model = platform.processor() or platform.machine()
    if _CPUINFO.exists():
        names = [line.split(":", 1)[1].strip() for line in _CPUINFO.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    processor = f"{model}, {os.cpu_count()} cores"
    return f"{accelerator} beside {processor}" if accelerator else processor


def lacks_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this processor is known to compute bfloat16 in software only, which takes ten times as long as float32."""
    flags = re.findall(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return bool(flags) and not {"avx512_bf16", "amx_bf16"} & set(flags[0].split())
