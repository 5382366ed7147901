"""Time and memory of one piece of work in a process of its own."""

import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MB = 1024 * 1024


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds, processor seconds, and peak memory (MB) above what stood before the work began.

    What `work` returns lives until the memory is read, so that a result counts.
    """
    gc.collect()
    before = _reset_peak()
    processor, start = time.process_time(), time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    spent = time.process_time() - processor
    peak = _peak()
    del result
    return {"seconds": seconds, "processor": spent, "memory": peak - before, "imports": before}


def _reset_peak() -> float:
    """Forget the peak of the imports; resident memory now, in MB."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return _peak()  # macOS: the peak of the imports counts as theirs
    clear.write_text("5", "utf-8")
    return _status("VmRSS")


def _peak() -> float:
    if Path("/proc/self/status").exists():
        return _status("VmHWM")  # getrusage would count the parent's memory before exec
    scale = MB if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}")


def settle() -> None:
    """Let the disk finish what earlier work left to it, so that it does not fall on the next."""
    os.sync()
