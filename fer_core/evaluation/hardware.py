"""The machine that something was trained or measured on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def hardware() -> str:
    """Processor and cores of this machine, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores"
