"""How a stage computes on this machine: settled when its model stands, since it depends on memory, device and what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernels import use_liger
from .memory import choose_activations, set_recompute

if TYPE_CHECKING:
    from rich.console import Console

    from .batches import StepDataset
    from .config import KernelConfig, StageConfig
    from .models import LoadedModel
    from .processes import Processes


def settle(
    stage: StageConfig, kernels: KernelConfig, loaded: LoadedModel, dataset: StepDataset, processes: Processes, console: Console
) -> bool:
    """Make the model compute as the recipe wants and this machine can, and say so.

    Returns:
        Whether activations are recomputed: as the first process finds, since all must do the same.

    Raises:
        ConfigError: kernels that the recipe asks for cannot be had for this model.
    """
    model, choice = loaded.model, loaded.choice
    liger = use_liger(model, kernels, choice.device)
    mine = choose_activations(stage.batch.recompute, model, dataset, mixed=choice.mixed) if processes.is_main else None
    activations = processes.from_main(mine)
    set_recompute(model, on=activations.recompute)
    lines = [activations.line, liger, "blocks are compiled (torch.compile): the first steps are slow" if kernels.compile else None]
    for line in filter(None, lines):
        console.print(line, markup=False)
    return activations.recompute
