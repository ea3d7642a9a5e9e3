"""`dragoman train` as a function: a recipe in, a run folder out, stage after stage."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from ..adapters.lora import check_targets
from ..eval.corpus_metrics import find_metric
from ..eval.metrics import check_metrics
from .batches import MICRO_TOKENS, StepDataset, layout_for
from .checkpoints import complete_steps, read_manifest, step_folder
from .config import RunConfig, StageConfig
from .corpora import fingerprint
from .cost import Ceiling, matmul_ceiling, spoken
from .decoding import check_decoding
from .dev import DevResult, DevSet, average, evaluate_sets, load_dev_sets
from .devices import choose_device
from .errors import ConfigError, RunError
from .files import staged_folder, write_atomically, write_json
from .kernels import check_kernels, compiled_blocks
from .languages import find_language
from .model_card import model_card
from .model_facts import FACTS_FILE, facts_fields
from .models import LoadedModel, load_tokenizer
from .plots import plot_curves
from .preflight import Estimate, StageSummary, estimate, show_estimate, show_first, show_stage, summarise
from .processes import Processes, check_for_several, join_processes
from .progress import MetricsWriter
from .prompts import load_template
from .provenance import trained_directions
from .recipes import dump_recipe
from .reports import write_report
from .run_facts import check_unchanged, run_facts
from .runs import RunFolder, RunOptions
from .seeds import seed_everything
from .settling import settle
from .stage_data import StageData, build_stage
from .stage_model import StageModel
from .starting_model import check_embeddings, load_starting_model, look_at_start, starting_point
from .tokenization import padding_id
from .training import Progress, StageJob, StageTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class TrainedRun:
    """What a finished (or dry) run hands back: the folder, the test results by stage, the model still in memory, who is to speak of it."""

    run: RunFolder
    tests: list[tuple[str, list[DevResult]]]
    summaries: list[StageSummary]
    loaded: LoadedModel
    estimate: Estimate | None = None
    is_main: bool = True


@dataclass(frozen=True)
class PlannedStage:
    """A stage ready to train: its settings, its steps on this device, its numbers."""

    stage: StageConfig
    dataset: StepDataset
    summary: StageSummary


def train_run(config: RunConfig, options: RunOptions, console: Console) -> TrainedRun:
    """Train every stage of a recipe.

    Raises:
        DragomanError: anything wrong with the recipe, the data, the model or the run folder; nothing half-written is left behind.
    """
    processes = join_processes(config.model.device)
    check_kernels(config.kernels, choose_device(config.model.device, config.model.dtype).device)
    check_for_several(config, processes)
    run = _Run(config, options, console if processes.is_main else Console(quiet=True), processes)
    try:
        return run.train()
    except KeyboardInterrupt as stop:
        if run.run.config_file.exists():
            stop.add_note(f"go on with: dragoman train {shlex.quote(str(run.run.config_file))} --resume")
        raise


class _Run:
    """The steps of `train_run`, sharing what all of them need."""

    def __init__(self, config: RunConfig, options: RunOptions, console: Console, processes: Processes) -> None:
        self.config, self.options, self.console, self.processes = config, options, console, processes
        self.run = RunFolder(Path(config.run).expanduser())
        self.template = load_template(config.prompt)
        seed_everything(config.seed)

    def train(self) -> TrainedRun:
        self._claim_folder()
        self.processes.wait()  # all have looked at the folder before one writes into it
        with starting_point(self.config, self.run, self.console, resume=self.options.resume) as self.start:
            return self._train_from_start()

    def _train_from_start(self) -> TrainedRun:
        tokenizer, data = self._read_inputs()
        self._load_model()
        planned = self._preflight(data, tokenizer)
        if self.options.dry_run:
            self._prepare(planned[0].stage)
            guess = self._show_estimate(planned[0], recompute=self._settle(planned[0]))
            self.processes.wait()
            return TrainedRun(self.run, [], [each.summary for each in planned], self.model.loaded, guess, self.processes.is_main)
        if self.processes.is_main:
            self._write_inputs(data)
        self.processes.wait()
        tests = [("step 0", self._measure("step 0"))]
        for each in planned:
            self._train_stage(each)
            tests.append((f"after {each.stage.name}", self._measure(f"after {each.stage.name}")))
        if self.processes.is_main:
            self._save_model()
            plot_curves(self.run.path)
            write_report(self.run.path)
        self.processes.wait()
        return TrainedRun(self.run, tests, [each.summary for each in planned], self.model.loaded, None, self.processes.is_main)

    # ---- before the first step ----

    def _read_inputs(self) -> tuple[PreTrainedTokenizerBase, list[StageData]]:
        """Every corpus read, tokenised and planned, and compared with what a run to resume was made from."""
        config = self.config
        tokenizer = load_tokenizer(self.start.settings.source, revision=self.start.settings.revision)
        self.padding = padding_id(tokenizer)
        data = [build_stage(config, number, tokenizer, self.template, on_disk=True) for number in range(len(config.stages))]
        self._check_metrics()
        self.dev = load_dev_sets(config.evaluation.corpora, config.evaluation.sentences)
        self.test = load_dev_sets(config.evaluation.test, config.evaluation.test_sentences)
        self.facts = run_facts(config, data, tokenizer, self.template)
        if self.options.resume and not self.options.accept_changes:
            check_unchanged(self.run, self.facts)
        return tokenizer, data

    def _load_model(self) -> None:
        settings = self.start.settings
        from_adapter, expansion = look_at_start(settings)
        check_embeddings(self.config, expansion)
        if self.config.save == "adapter" and from_adapter:
            raise ConfigError("the starting model is an adapter itself, which is merged first", where="save", allowed="auto, merged")
        self.model = StageModel(load_starting_model(settings), settings, base_changed=from_adapter, expansion=expansion)
        self._describe_start()
        choice = self.model.loaded.choice
        self.ceiling = Ceiling(matmul_ceiling(choice.device, torch.bfloat16 if choice.mixed else choice.dtype))
        for stage in self.config.stages:
            if stage.train.is_adapter:
                check_targets(self.model.loaded.model, stage.train)

    def _preflight(self, data: Sequence[StageData], tokenizer: PreTrainedTokenizerBase) -> list[PlannedStage]:
        """Each stage laid out for this device, summed up and shown."""
        planned = []
        for stage, each in zip(self.config.stages, data, strict=True):
            dataset = self._dataset(stage, each)
            planned.append(PlannedStage(stage, dataset, summarise(stage.name, each, dataset, tokenizer)))
            show_stage(self.console, planned[-1].summary, each)
            show_first(self.console, each, tokenizer)
        return planned

    def _claim_folder(self) -> None:
        if not self.options.resume:
            if not self.options.dry_run:
                self.run.check_free(overwrite=self.options.overwrite)
            return
        if not self.run.config_file.exists():
            raise RunError("there is no run to resume", where=self.run.path, hint="leave out --resume")

    def _check_metrics(self) -> None:
        """A metric that is unknown, or lacks its tokenizer, must stop the run now rather than at the first evaluation."""
        evaluation = self.config.evaluation
        check_decoding(evaluation.decoding)
        for metric in evaluation.metrics:
            find_metric(metric)
        for corpus in (*evaluation.corpora, *evaluation.test):
            for side in (corpus.source, corpus.target) if corpus.directions == "both" else (corpus.target,):
                check_metrics(evaluation.metrics, target=find_language(str(side)))

    def _describe_start(self) -> None:
        loaded = self.model.loaded
        self.console.print(f"model {loaded.source} on {loaded.choice.device} ({loaded.choice.reason})", markup=False)

    def _dataset(self, stage: StageConfig, data: StageData) -> StepDataset:
        device = self.model.loaded.choice.device.partition(":")[0]
        layout = layout_for(stage.batch.layout, device)
        budget = stage.batch.micro_tokens or max(MICRO_TOKENS[device], stage.batch.max_length)
        return StepDataset(
            data.plan,
            data.examples,
            layout=layout,
            micro_tokens=budget,
            padding=self.padding,
            rank=self.processes.rank,
            processes=self.processes.count,
        )

    def _write_inputs(self, data: Sequence[StageData]) -> None:
        if self.options.resume and not self.options.accept_changes:
            return
        if not self.options.resume:
            self.run.make_fresh()
            self.start.keep(self.run)
            self.model.settings = self.start.settings
        inputs = {
            stage.name: {
                "files": each.files,
                "corpora": {label: [tally.to_json() for tally in tallies] for label, tallies in each.tallies.items()},
            }
            for stage, each in zip(self.config.stages, data, strict=True)
        }
        held_out = [entry for corpus in (*self.config.evaluation.corpora, *self.config.evaluation.test) for entry in fingerprint(corpus)]
        write_json(self.run.data_file, {"facts": self.facts, "stages": inputs, "held_out": held_out})
        write_atomically(self.run.config_file, dump_recipe(self.config))
        self.run.write_environment({"seed": self.config.seed, "device": self.model.loaded.choice.reason})

    def _prepare(self, stage: StageConfig) -> None:
        own = "base" if self.processes.is_main else f"base-{self.processes.rank}"
        self.model.prepare(stage.train, self.run.checkpoints(stage.name) / own)

    def _settle(self, planned: PlannedStage) -> bool:
        return settle(planned.stage, self.config.kernels, self.model.loaded, planned.dataset, self.processes, self.console)

    def _show_estimate(self, planned: PlannedStage, *, recompute: bool) -> Estimate:
        loaded = self.model.loaded
        guess = estimate(loaded.model, planned.dataset, planned.stage.preference, mixed=loaded.choice.mixed, recompute=recompute)
        show_estimate(self.console, guess, planned.summary, self.ceiling, self.processes.count)
        return guess

    # ---- a stage ----

    def _train_stage(self, planned: PlannedStage) -> None:
        stage = planned.stage
        self._prepare(stage)
        result = self.run.result_file(stage.name)
        if self.options.resume and result.exists():
            step = json.loads(result.read_text(encoding="utf-8"))["step"]
            read_manifest(step_folder(self.run.checkpoints(stage.name), step))
            self.console.print(f"stage {stage.name} is finished already: its result is step {step}")
        else:
            with compiled_blocks(self.model.loaded.model, enabled=self.config.kernels.compile):
                step = self._fit(planned)
        self.model.load_weights(step_folder(self.run.checkpoints(stage.name), step))

    def _fit(self, planned: PlannedStage) -> int:
        stage, summary = planned.stage, planned.summary
        # Each stage starts from a seed of its own, so that it does not depend on what was evaluated or resumed before it.
        seed = self.config.seed + 1000 * self.config.stages.index(stage)
        seed_everything(seed)
        checkpoint = self._checkpoint_to_resume(stage)
        recompute = self._settle(planned)
        if checkpoint is None:
            self._show_estimate(planned, recompute=recompute)
        writer = MetricsWriter(self.run, stage.name, summary.tokens, self.console) if self.processes.is_main else None
        trainer = StageTrainer(
            self.model.loaded.model,
            self._job(planned, seed, writer, recompute=recompute, first=checkpoint is None and stage is self.config.stages[0]),
            mixed=self.model.loaded.choice.mixed,
        )
        if writer:
            writer.trainer = trainer
        if checkpoint is not None:
            facts = read_manifest(checkpoint)
            trainer.progress = Progress(**facts["progress"])
            if self.processes.is_main:
                self._forget_events_after(stage, facts["step"])
            self.console.print(f"stage {stage.name}: resuming after step {facts['step']} of {facts['steps']}")
        started = time.perf_counter()
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            if writer:
                writer.close()
        step = trainer.chosen_step()
        if self.processes.is_main:
            self._conclude(stage, step, trainer, time.perf_counter() - started)
        self.processes.wait()
        return step

    def _conclude(self, stage: StageConfig, step: int, trainer: StageTrainer, seconds: float) -> None:
        """Record that a stage is finished, and what it reached."""
        done = trainer.progress
        end = {
            "event": "stage_end",
            "stage": stage.name,
            "steps": trainer.state.global_step,
            "best_step": step,
            "tokens": done.tokens,
            "seconds": round(done.seconds, 2),
            "seconds_with_evaluation": round(seconds, 2),
            **self.ceiling.facts(done.operations, done.seconds, self.processes.count),
        }
        self.run.append(end)
        self.console.print(
            f"stage {stage.name}: {done.tokens:,} tokens in {done.seconds:.0f} s of training, "
            f"{spoken(done.operations / max(done.seconds, 1e-9))}/s, MFU {end['mfu']:.0%}"
        )
        write_json(self.run.result_file(stage.name), {"step": step, "steps": trainer.state.global_step})

    def _job(self, planned: PlannedStage, seed: int, writer: MetricsWriter | None, *, recompute: bool, first: bool) -> StageJob:
        stage, dataset, evaluation = planned.stage, planned.dataset, self.config.evaluation
        return StageJob(
            stage=stage,
            dataset=dataset,
            run=self.run,
            seed=seed,
            facts={"stage": stage.name, "tokenizer": self.facts["tokenizer"], "plan": dataset.plan.digest},
            checkpoints=self.config.checkpoints,
            evaluate=(lambda step: self._evaluate(stage, step)) if self.dev else None,
            metric=evaluation.metric,
            patience=evaluation.patience,
            evaluate_first=first,
            callbacks=[writer] if writer else [],
            processes=self.processes,
            recompute=recompute,
        )

    def _checkpoint_to_resume(self, stage: StageConfig) -> Path | None:
        if not self.options.resume:
            return None
        folder = self.run.checkpoints(stage.name)
        steps = complete_steps(folder)
        return step_folder(folder, steps[-1]) if steps else None

    def _forget_events_after(self, stage: StageConfig, step: int) -> None:
        later = {each.name for each in self.config.stages[self.config.stages.index(stage) + 1 :]}
        self.run.keep_events(
            lambda event: event.get("stage") not in later and not (event.get("stage") == stage.name and int(event.get("step", 0)) > step)
        )

    # ---- measuring ----

    def _evaluate(self, stage: StageConfig, step: int) -> dict[str, float]:
        results = self._translate_and_score(self.dev)
        for result in results:
            self.run.append({"event": "evaluate", "stage": stage.name, "step": step, **result.to_json()})
        return average(results)

    def _measure(self, moment: str) -> list[DevResult]:
        """Score the test sets, in the main process; a resumed run keeps what it measured before."""
        if not self.processes.is_main:
            return []
        done = [event for event in self.run.events() if event["event"] == "test" and event["moment"] == moment]
        if not self.test or (self.options.resume and done):
            return []
        results = self._translate_and_score(self.test)
        for result in results:
            samples = [
                {"source": translation.source, "reference": reference, "hypothesis": translation.text}
                for translation, reference in zip(result.translations, result.dev_set.references, strict=True)
            ]
            self.run.append({"event": "test", "moment": moment, **result.to_json(), "translations": samples})
            shown = "  ".join(f"{item.name} {item.value:.2f} [{item.low:.2f}, {item.high:.2f}]" for item in result.scores)
            self.console.print(f"[bold]test[/] {moment}: {shown}")
        return results

    def _translate_and_score(self, sets: Sequence[DevSet]) -> list[DevResult]:
        return evaluate_sets(self.model.loaded, self.template, sets, self.config.evaluation)

    # ---- the end ----

    def _save_model(self) -> None:
        loaded = self.model.loaded
        with staged_folder(self.run.model) as folder:
            kind = self.model.save(folder, self.config.save)
            loaded.tokenizer.save_pretrained(folder)
            write_json(folder / FACTS_FILE, self._model_facts(kind))
            write_atomically(folder / "README.md", model_card(self.config, self.run, self._model_facts(kind)))
        self.console.print(f"model ({kind}) saved in {self.run.model}", markup=False)

    def _model_facts(self, kind: str) -> dict[str, Any]:
        base, revision = self.model.base()
        directions = trained_directions(self.config)
        return facts_fields(
            kind=kind, base=base, base_revision=revision, prompt=self.template, directions=directions, seed=self.config.seed
        )
