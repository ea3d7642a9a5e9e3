"""The processes a launcher started (`accelerate launch`, `torchrun`) as one group: who writes, who waits, who gets told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from .errors import RunError

if TYPE_CHECKING:
    from .config import RunConfig

PATIENCE = timedelta(hours=24)  # the others wait while the first process translates a dev set
T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process among its group: `rank` of `count`. One process alone is a group too, which never waits."""

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that prints, writes and evaluates."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on only when every process has come here."""
        if self.count > 1:
            import torch.distributed

            torch.distributed.barrier()

    def from_main(self, value: T | None) -> T:
        """What the main process gives, in every process; the others give None and wait for it."""
        if self.count > 1:
            import torch.distributed

            box = [value]
            torch.distributed.broadcast_object_list(box, src=0)
            value = box[0]
        assert value is not None, "the main process must have a value"
        return value


def join_processes(device: str) -> Processes:
    """Find the other processes, if a launcher started several; `device` as in a recipe."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available(), timeout=PATIENCE)
    return Processes(state.process_index, state.num_processes)


def check_for_several(config: RunConfig, processes: Processes) -> None:
    """Refuse before anything is written what several processes cannot do together.

    Raises:
        RunError: the recipe makes a new vocabulary, which one process does, or has a preference stage.
    """
    preferences = [stage.name for stage in config.stages if stage.preference is not None]
    if processes.count > 1 and preferences:
        raise RunError(
            f"{processes.count} processes were started, and stage {preferences[0]} learns from preferences",
            allowed="one process",
            hint="train that stage by itself: a recipe whose model.source is the run before it",
        )
    if processes.count > 1 and config.vocabulary is not None:
        raise RunError(
            f"{processes.count} processes were started, and the recipe makes a new vocabulary",
            allowed="one process",
            hint="expand the model first (dragoman vocab expand) and start from it",
        )
