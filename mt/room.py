"""How much memory is free: on a GPU, on this machine, and in the control group that a container may be held to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

_UNLIMITED = 1 << 60  # control groups say "no limit" with a number near 2^63


@dataclass(frozen=True)
class Room:
    """Free bytes, and whose they are."""

    bytes: int
    where: str

    def __str__(self) -> str:
        return f"{spoken_bytes(self.bytes)} free {self.where}"


def spoken_bytes(count: int) -> str:
    """A number of bytes as people write it: 3.1 GB, 42 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def free_memory(device: torch.device) -> Room | None:
    """What is free for this process on a device; None where nobody can say.

    On a GPU what the driver has left and what torch's allocator holds without using it. On a CPU the available memory of the machine, or
    the rest of a control group's limit where that is less; processes of one launch share it.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Room(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), "on the GPU")
    if device.type != "cpu":
        return None
    import psutil  # type: ignore[import-untyped]

    rooms = [Room(psutil.virtual_memory().available, "in this machine")]
    rooms += [Room(left, "in this container") for left in control_group_room()]
    least = min(rooms, key=lambda room: room.bytes)
    return Room(least.bytes // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))), least.where)


def control_group_room(root: Path = Path("/")) -> Iterator[int]:
    """Bytes left of every memory limit that this process's control groups (Linux, version 1 or 2) have; file pages that the kernel would
    give back count as free."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").split("\n")
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = top / path.strip("/")
        for folder in [each for each in (own, *own.parents) if each.is_relative_to(top)]:
            yield from _left(folder, *names)


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        pages = dict(line.split() for line in (folder / "memory.stat").read_text().strip().split("\n"))
    except (OSError, ValueError):
        return
    if most.isdecimal() and int(most) < _UNLIMITED:
        yield max(0, int(most) - used + int(pages.get(reclaimable, 0)))
