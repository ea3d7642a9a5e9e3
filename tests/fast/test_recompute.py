"""Memory of a step, whether activations are kept, and faster kernels: what is chosen, why, and that nothing else changes."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from training_recipes import recipe

from dragoman.adapters.lora import attach_lora
from dragoman.mt import kernels, memory, room
from dragoman.mt.batches import MicroBatch, StepDataset, bucket_batch
from dragoman.mt.config import KernelConfig, TrainableConfig
from dragoman.mt.corpora.records import Origin
from dragoman.mt.errors import ConfigError
from dragoman.mt.examples import Example, ExampleSet
from dragoman.mt.losses import target_loss
from dragoman.mt.memory import Blocks, choose_activations, largest_batch, set_recompute, step_memory
from dragoman.mt.plan import Plan
from dragoman.mt.precision import mixed_precision
from dragoman.mt.recipes import check_recipe, dump_recipe
from dragoman.mt.room import Room, control_group_room, free_memory
from dragoman.mt.runs import RunOptions
from dragoman.mt.stages import train_run

LENGTH = 48


def llama(layers: int, method: str, attention: str = "sdpa") -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=attention,
    )
    model = LlamaForCausalLM(config)
    return (attach_lora(model, TrainableConfig(rank=4)) if method == "lora" else model).train()


def rows(count: int = 8, length: int = LENGTH) -> list[Example]:
    return [Example([3 + i % 90 for i in range(length - number)], length // 2, Origin("x", number + 1)) for number in range(count)]


def batch() -> MicroBatch:
    return bucket_batch(rows(), list(range(8)), 0)


def dataset() -> StepDataset:
    examples = ExampleSet()
    for example in rows():
        examples.add(example)
    members = torch.arange(8).numpy()
    plan = Plan([members[:2], members], examples.lengths()[[0, 1]], {})
    plan = Plan(plan.steps, torch.tensor([90, 350]).numpy(), {})
    return StepDataset(plan, examples, layout="buckets", micro_tokens=4096, padding=0)


def kept_by_autograd(model: Any, *, mixed: bool) -> int:
    """Bytes of all tensors that the blocks' forward pass keeps for the backward pass, weights apart."""
    own = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    inputs = batch()
    body = (model.get_base_model() if hasattr(model, "peft_config") else model).model
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), mixed_precision(model, enabled=mixed, longest=LENGTH):
        body(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize(("attention", "mixed"), [("sdpa", False), ("eager", False), ("sdpa", True)])
def test_the_formula_of_a_block_is_what_autograd_keeps_within_four_percent(method: str, attention: str, mixed: bool) -> None:
    small, large = llama(1, method, attention), llama(2, method, attention)
    measured = kept_by_autograd(large, mixed=mixed) - kept_by_autograd(small, mixed=mixed)
    with mixed_precision(large, enabled=mixed, longest=LENGTH):
        blocks = Blocks.of(large, mixed=mixed)
    computed = blocks.kept(LENGTH) * batch().padded_tokens + 2 * blocks.weights // blocks.layers
    assert computed == pytest.approx(measured, rel=0.04)


def test_auto_keeps_activations_where_they_fit_and_recomputes_them_where_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model, steps = llama(2, "lora"), dataset()
    assert largest_batch(steps).padded_tokens == 8 * LENGTH
    need = step_memory(model, largest_batch(steps), mixed=False)
    found = []
    edge = need.total(recompute=False) / memory.SHARE["cpu"]
    for free in (edge + 10, edge - 10, need.total(recompute=True) / 2):
        monkeypatch.setattr(memory, "free_memory", lambda _, free=free: Room(int(free), "here"))
        found.append(choose_activations("auto", model, steps, mixed=False))
    assert [each.recompute for each in found] == [False, True, True]
    assert "free here" in found[0].line
    assert ["micro_tokens" in each.line for each in found] == [False, False, True]


def test_what_the_recipe_says_needs_no_look_at_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda _: pytest.fail("looked"))
    for wanted in (True, False):
        assert choose_activations(wanted, torch.nn.Linear(1, 1), dataset(), mixed=False).recompute is wanted


def test_where_nobody_knows_what_is_free_activations_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda _: None)
    chosen = choose_activations("auto", llama(1, "lora"), dataset(), mixed=False)
    assert not chosen.recompute
    assert "not known" in chosen.line


def test_recomputing_changes_neither_loss_nor_gradients_and_can_be_switched_off_again() -> None:
    model = llama(2, "lora")
    found = []
    for on in (False, True, False):
        set_recompute(model, on=on)
        assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules()) is on
        model.zero_grad()
        loss = target_loss(model, batch())
        loss.backward()
        found.append((loss.item(), [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]))
    assert found[0][0] == found[1][0] == found[2][0]
    assert all(torch.equal(one, other) for one, other in zip(found[0][1], found[1][1], strict=True))


def test_free_memory_is_the_least_of_machine_and_container_shared_by_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(room, "control_group_room", lambda: iter(()))
    whole = free_memory(cpu)
    assert whole is not None
    assert 0 < whole.bytes < 1 << 50
    monkeypatch.setattr(room, "control_group_room", lambda: iter([1 << 60, 1 << 20]))
    assert free_memory(cpu) == Room(1 << 20, "in this container")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert free_memory(cpu) == Room(1 << 18, "in this container")
    assert free_memory(torch.device("meta")) is None


def test_limits_of_control_groups_are_found_in_both_versions(tmp_path: Path) -> None:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert list(control_group_room(tmp_path)) == []
    write("proc/self/cgroup", "4:cpu,memory:/jobs/7\n1:cpuset:/\n0::/user/me\n")
    assert list(control_group_room(tmp_path)) == []
    for name, numbers in (("jobs/7", (1000, 700)), ("jobs", (9223372036854771712, 900)), (".", (5000, 900))):
        write(f"sys/fs/cgroup/memory/{name}/memory.limit_in_bytes", f"{numbers[0]}\n")
        write(f"sys/fs/cgroup/memory/{name}/memory.usage_in_bytes", f"{numbers[1]}\n")
        write(f"sys/fs/cgroup/memory/{name}/memory.stat", "cache 5\ntotal_inactive_file 50\n")
    write("sys/fs/cgroup/user/me/memory.max", "max\n")
    write("sys/fs/cgroup/user/me/memory.current", "10\n")
    write("sys/fs/cgroup/user/me/memory.stat", "inactive_file 1\n")
    write("sys/fs/cgroup/user/memory.max", "100\n")
    write("sys/fs/cgroup/user/memory.current", "90\n")
    write("sys/fs/cgroup/user/memory.stat", "inactive_file 1\n")
    assert list(control_group_room(tmp_path)) == [350, 4150, 11]


@pytest.mark.parametrize("wanted", ["auto", True, False])
def test_a_recipe_keeps_what_was_written(wanted: Any, data: Path) -> None:
    tree = recipe(data, Path("model"), Path("run"))
    tree["stages"][0]["batch"]["recompute"] = wanted
    config = check_recipe(tree)
    assert config.stages[0].batch.recompute == wanted
    assert f"recompute: {str(wanted).lower()}" in dump_recipe(config)


def test_an_unknown_wish_names_the_values(data: Path) -> None:
    tree = recipe(data, Path("model"), Path("run"))
    tree["stages"][0]["batch"]["recompute"] = "sometimes"
    with pytest.raises(ConfigError, match=r"stages\.0\.batch\.recompute(.|\n)*'auto', True or False"):
        check_recipe(tree)


def test_a_run_says_what_it_chose_and_where_its_tokens_lie(
    data: Path, tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda _: Room(1000, "here"))
    tree = recipe(data, tiny_llama_folder, tmp_path / "run", steps=1, evaluate=False)
    said = []
    for _ in range(2):
        console = Console(file=io.StringIO(), width=500)
        done = train_run(check_recipe(tree), RunOptions(dry_run=True), console)
        assert done.estimate
        assert done.estimate.cost.recompute
        said.append(console.file.getvalue())  # type: ignore[attr-defined]
    assert all("activations are recomputed: kept, a step would take about" in each for each in said)
    assert [("tokens written to" in each, "tokens read from" in each) for each in said] == [(True, False), (False, True)]


# ---- kernels ----


def test_liger_is_off_by_itself_without_a_gpu_or_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.check_kernels(KernelConfig(), "cpu")
    assert kernels.use_liger(llama(1, "lora"), KernelConfig(), "cpu") is None
    monkeypatch.setattr(kernels, "find_spec", lambda _: None)
    assert kernels.use_liger(llama(1, "lora"), KernelConfig(), "cuda:0") is None


@pytest.mark.parametrize(("device", "problem"), [("cpu", "run on a GPU"), ("cuda", "liger-kernel is not installed")])
def test_liger_asked_for_where_it_cannot_be_had_is_one_error(device: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=problem):
        kernels.check_kernels(KernelConfig(liger=True), device)


def test_liger_gets_the_model_without_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for the package and the GPU: which call is made, not what it computes."""
    from transformers.integrations import liger

    asked: list[Any] = []
    package = SimpleNamespace(monkey_patch=SimpleNamespace(MODEL_TYPE_TO_APPLY_LIGER_FN={"llama": None}))
    monkeypatch.setitem(__import__("sys").modules, "liger_kernel.transformers", package)
    monkeypatch.setattr(kernels, "find_spec", lambda _: True)
    monkeypatch.setattr(liger, "apply_liger_kernel", lambda model, settings: asked.append((model, settings)))
    model = llama(1, "lora")
    assert kernels.use_liger(model, KernelConfig(), "cuda:0")
    assert asked == [(model, {"cross_entropy": False, "fused_linear_cross_entropy": False})]
    model.config.model_type = "unheard-of"
    assert kernels.use_liger(model, KernelConfig(), "cuda:0") is None
    with pytest.raises(ConfigError, match="unheard-of"):
        kernels.use_liger(model, KernelConfig(liger=True), "cuda:0")


def test_compiling_without_a_compiler_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(kernels.shutil, "which", lambda _: None)
    tree = {**recipe(data, tmp_path / "no-model", tmp_path / "run"), "kernels": {"compile": True}}
    with pytest.raises(ConfigError, match="C\\+\\+ compiler"):
        train_run(check_recipe(tree), RunOptions(), Console(quiet=True))


def test_compiled_blocks_run_while_they_train_and_are_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the compiler: `tests/slow/test_compiled.py` has the real one."""
    calls: list[str] = []

    def compile_(function: Any, **_: Any) -> Any:
        def compiled(*arguments: Any, **named: Any) -> Any:
            calls.append("compiled")
            return function(*arguments, **named)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    model = llama(2, "lora")
    before = target_loss(model, batch()).item()
    with kernels.compiled_blocks(model, enabled=True):
        assert target_loss(model, batch()).item() == before
        assert len(calls) == 2
        target_loss(model.eval(), batch())
        assert len(calls) == 2
    target_loss(model.train(), batch())
    assert len(calls) == 2
