"""Training an encoder-decoder from scratch on transformers' Trainer: a dataset item is a step's whole batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, SequentialSampler
from transformers import GenerationConfig, M2M100Config, M2M100ForConditionalGeneration, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from ...mt.schedules import multiplier
from .data import IGNORED, BatchDataset

if TYPE_CHECKING:
    from transformers import NllbTokenizer

    from .config import ShapeConfig, TranslationModelConfig


def new_model(shape: ShapeConfig, tokenizer: NllbTokenizer, seed: int) -> M2M100ForConditionalGeneration:
    """A model with random weights for a vocabulary; torch's random state is left as it was."""
    config = M2M100Config(
        vocab_size=-(-len(tokenizer) // 8) * 8,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward,
        decoder_ffn_dim=shape.feed_forward,
        dropout=shape.dropout,
        attention_dropout=shape.dropout,
        activation_dropout=0.0,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        max_position_embeddings=shape.positions,
        scale_embedding=True,
        init_std=shape.width**-0.5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        tie_word_embeddings=True,
        attn_implementation="eager",  # at twenty tokens a side a fifth faster on CPUs than torch's fused kernel
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = M2M100ForConditionalGeneration(config)
    torch.random.set_rng_state(state)
    model.generation_config = GenerationConfig(pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)
    return model


class TranslationTrainer(Trainer):
    """Trains one model; the loss is the mean over a step's target tokens, smoothed (Szegedy et al. 2016)."""

    def __init__(
        self, model: torch.nn.Module, dataset: BatchDataset, config: TranslationModelConfig, report: Callable[[str], None]
    ) -> None:
        self._config = config
        arguments = TrainingArguments(
            output_dir=str(Path(config.run) / "checkpoints"),
            max_steps=len(dataset),
            per_device_train_batch_size=1,
            learning_rate=config.schedule.peak,
            weight_decay=0.0,
            adam_beta2=0.98,
            max_grad_norm=1.0,
            optim="adamw_torch",
            use_cpu=not torch.cuda.is_available(),
            logging_steps=max(1, min(50, len(dataset) // 20)),
            save_steps=config.save_every,
            save_total_limit=1,
            seed=config.seed,
            disable_tqdm=True,
            remove_unused_columns=False,
            report_to=[],
        )
        super().__init__(model=model, args=arguments, train_dataset=dataset)
        for printer in (PrinterCallback, ProgressCallback):
            self.pop_callback(printer)
        self.add_callback(_Progress(report, len(dataset)))

    def get_train_dataloader(self) -> DataLoader[dict[str, torch.Tensor]]:
        """The steps of the plan, in order."""
        steps = SequentialSampler(range(len(self.train_dataset)))
        return DataLoader(self.train_dataset, batch_size=1, sampler=steps, collate_fn=lambda items: items[0])

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """The settings' schedule."""
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, multiplier(self._config.schedule, num_training_steps))
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_: Any) -> Any:
        """Logits only where there is a target: padding is a fifth of a batch of mixed lengths, and the output matrix half of the work."""
        inputs = {name: tensor.to(self.args.device) for name, tensor in inputs.items()}
        labels = inputs.pop("labels")
        wanted = labels != IGNORED
        with torch.autocast(labels.device.type, dtype=torch.bfloat16, enabled=self._config.dtype == "bfloat16"):
            states = model.model(**inputs, use_cache=False).last_hidden_state  # (B, T, d)
            logits = model.lm_head(states[wanted]).float()  # (N, V)
        loss = cross_entropy(logits, labels[wanted], label_smoothing=self._config.label_smoothing)
        return (loss, None) if return_outputs else loss


class _Progress(TrainerCallback):
    """A line for people at every logged step."""

    def __init__(self, report: Callable[[str], None], steps: int) -> None:
        self._report = report
        self._steps = steps

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ARG002
        if logs and "loss" in logs:
            self._report(f"step {state.global_step}/{self._steps}  loss {logs['loss']:.3f}  rate {logs['learning_rate']:.2e}")
