"""`dragoman stack train` as a function: a recipe in, a run folder out, stage after stage."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...mt.checkpoints import complete_steps, read_manifest, step_folder
from ...mt.config import EvaluationConfig
from ...mt.corpora import fingerprint
from ...mt.decoding import check_decoding
from ...mt.dev import DevResult, evaluate_sets, load_dev_sets
from ...mt.errors import RunError
from ...mt.files import staged_folder, write_atomically, write_json
from ...mt.model_facts import FACTS_FILE, facts_fields
from ...mt.models import LoadedModel
from ...mt.prompts import load_template, template_fields
from ...mt.provenance import direction_code
from ...mt.recipes import plain_tree
from ...mt.run_facts import check_unchanged
from ...mt.runs import RunFolder, RunOptions
from ...mt.seeds import seed_everything
from ...mt.stage_data import directions
from ...mt.training import Progress
from .config import StackConfig, StackStageConfig
from .data import Reading, StackData, StepDataset, build_stage, micro_tokens
from .model import StackedModel
from .saving import StackFacts, load_trained, save_stack
from .start import start_stack
from .training import Report, StackJob, StackTrainer, choose_moving


@dataclass(frozen=True)
class TrainedStack:
    """What a finished (or dry) run hands back: the folder, the stack still in memory, and the test results by stage."""

    run: RunFolder
    loaded: LoadedModel
    tests: list[tuple[str, list[DevResult]]]


def train_stack(config: StackConfig, options: RunOptions, report: Report) -> TrainedStack:
    """Train every stage of a recipe.

    Raises:
        DragomanError: anything wrong with the recipe, the data, the parents or the run folder; nothing half-written is left behind.
    """
    return _Run(config, options, report).train()


class _Run:
    """The steps of `train_stack`, sharing what all of them need."""

    def __init__(self, config: StackConfig, options: RunOptions, report: Report) -> None:
        self.config, self.options, self.report = config, options, report
        self.run = RunFolder(Path(config.run).expanduser())
        self.template = load_template(config.prompt)
        evaluation = config.evaluation
        self.evaluation = EvaluationConfig(metrics=evaluation.metrics, decoding=evaluation.decoding)
        check_decoding(evaluation.decoding)

    def train(self) -> TrainedStack:
        self._claim_folder()
        self.tests = load_dev_sets(self.config.evaluation.test, self.config.evaluation.test_sentences)
        seed_everything(self.config.seed)
        self.loaded, facts = start_stack(self.config)
        self._show_start()
        reading = Reading(self.stack.encoder, self.loaded.tokenizer, self.template)
        data = [build_stage(stage, reading, self.config.seed, number) for number, stage in enumerate(self.config.stages)]
        self._show_data(data)
        if self.options.dry_run:
            return TrainedStack(self.run, self.loaded, [])
        self._write_inputs(data, facts)
        results = []
        for number, (stage, each) in enumerate(zip(self.config.stages, data, strict=True)):
            self._train_stage(stage, each, number, reading.opening)
            if stage.kind == "generation":
                results.append((stage.name, self._measure(stage)))
        self._save(facts)
        return TrainedStack(self.run, self.loaded, results)

    @property
    def stack(self) -> StackedModel:
        assert self.loaded.stack is not None
        return self.loaded.stack

    # ---- before the first step ----

    def _claim_folder(self) -> None:
        if not self.options.resume:
            if not self.options.dry_run:
                self.run.check_free(overwrite=self.options.overwrite)
        elif not self.run.config_file.exists():
            raise RunError("there is no run to resume", where=self.run.path, hint="leave out --resume")

    def _show_start(self) -> None:
        stack, encoder = self.stack, self.stack.encoder
        own = sum(one.numel() for one in stack.projection.parameters()) + stack.end.numel()
        adapter = sum(one.numel() for name, one in stack.named_parameters() if "lora_" in name)
        known = f", {len(encoder.languages)} languages" if encoder.languages else ""
        self.report(f"encoder {encoder.source}: width {encoder.dim}{known}")
        self.report(f"language model {self.loaded.source} on {self.loaded.choice.device} ({self.loaded.choice.reason})")
        self.report(f"projection and end vector {own / 1e6:.2f} M, adapter {adapter / 1e6:.2f} M weights")

    def _show_data(self, data: Sequence[StackData]) -> None:
        for stage, each in zip(self.config.stages, data, strict=True):
            self.report(f"{stage.name} ({stage.kind}): {len(each.plan.steps):,} steps, {each.tokens:,} tokens of both tokenizers")
            for label, tallies in each.tallies.items():
                for line in (line for tally in tallies for line in tally.lines()):
                    self.report(f"  {label}, {line.strip()}")

    def _write_inputs(self, data: Sequence[StackData], facts: StackFacts) -> None:
        stages = zip(self.config.stages, data, strict=True)
        tree = plain_tree(dataclasses.asdict(self.config))
        depends = {
            "parents": dataclasses.asdict(facts),
            "prompt": template_fields(self.template),
            "data": [{"stage": stage.name, "plan": each.plan.digest, "files": _hashes(stage)} for stage, each in stages],
            "recipe": _recipe_digest(tree),
        }
        if self.options.resume and not self.options.accept_changes:
            check_unchanged(self.run, depends)
        if self.options.resume:
            return
        self.run.make_fresh()
        tallies = {
            stage.name: {label: [tally.to_json() for tally in both] for label, both in each.tallies.items()}
            for stage, each in zip(self.config.stages, data, strict=True)
        }
        write_json(self.run.data_file, {"facts": depends, "tallies": tallies})
        write_atomically(self.run.config_file, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
        self.run.write_environment({"seed": self.config.seed, "device": self.loaded.choice.reason})

    # ---- a stage ----

    def _train_stage(self, stage: StackStageConfig, data: StackData, number: int, opening: int) -> None:
        folder, result = self.run.checkpoints(stage.name), self.run.result_file(stage.name)
        if self.options.resume and result.exists():
            step = json.loads(result.read_text(encoding="utf-8"))["step"]
            read_manifest(step_folder(folder, step))
            load_trained(step_folder(folder, step), self.stack)
            self.report(f"stage {stage.name} is finished already")
            return
        seed = self.config.seed + 1000 * number  # so that a stage does not depend on what was done before it
        seed_everything(seed)
        choose_moving(self.stack, stage.kind)
        dataset = StepDataset(data, stage.batch.micro_tokens or micro_tokens(self.loaded.choice.device))
        facts = {"stage": stage.name, "plan": data.plan.digest}
        job = StackJob(stage, dataset, self.run, seed, facts, self.config.checkpoints, opening, self.report)
        trainer = StackTrainer(self.stack, job, mixed=self.loaded.choice.mixed)
        steps = complete_steps(folder) if self.options.resume else []
        checkpoint = step_folder(folder, steps[-1]) if steps else None
        if checkpoint:
            trainer.progress = Progress(**read_manifest(checkpoint)["progress"])
            self._forget_events_after(stage, steps[-1])
            self.report(f"stage {stage.name}: resuming after step {steps[-1]} of {len(dataset)}")
        started = time.perf_counter()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        self.stack.eval()
        self.run.append(
            {
                "event": "stage_end",
                "stage": stage.name,
                "steps": len(dataset),
                "best_step": None,
                "tokens": trainer.progress.tokens,
                "seconds": round(trainer.progress.seconds, 2),
                "seconds_with_evaluation": round(time.perf_counter() - started, 2),
            }
        )
        write_json(result, {"step": len(dataset), "steps": len(dataset)})

    def _forget_events_after(self, stage: StackStageConfig, step: int) -> None:
        later = {each.name for each in self.config.stages[self.config.stages.index(stage) + 1 :]}
        self.run.keep_events(
            lambda event: event.get("stage") not in later and not (event.get("stage") == stage.name and int(event.get("step", 0)) > step)
        )

    # ---- the end ----

    def _measure(self, stage: StackStageConfig) -> list[DevResult]:
        """Translate and score the test sets; a resumed run keeps what it measured before."""
        moment = f"after {stage.name}"
        if self.options.resume and any(event["event"] == "test" and event["moment"] == moment for event in self.run.events()):
            return []
        results = evaluate_sets(self.loaded, self.template, self.tests, self.evaluation)
        for result in results:
            samples = [
                {"source": one.source, "reference": reference, "hypothesis": one.text}
                for one, reference in zip(result.translations, result.dev_set.references, strict=True)
            ]
            self.run.append({"event": "test", "moment": moment, **result.to_json(), "translations": samples})
            shown = "  ".join(f"{score.name} {score.value:.1f} [{score.low:.1f}, {score.high:.1f}]" for score in result.scores)
            self.report(f"test {moment}, {result.dev_set.direction}: {shown}")
        return results

    def _save(self, facts: StackFacts) -> None:
        trained = [corpus for stage in self.config.stages if stage.kind == "generation" for corpus in stage.corpora]
        codes = dict.fromkeys(direction_code(oriented) for corpus in trained for _, oriented in directions(corpus))
        fields = facts_fields(
            kind="stack",
            base=facts.llm.source,
            base_revision=facts.llm.revision,
            prompt=self.template,
            directions=list(codes),
            seed=self.config.seed,
        )
        with staged_folder(self.run.model) as folder:
            save_stack(folder, self.stack, self.loaded.tokenizer, facts)
            write_json(folder / FACTS_FILE, fields)
            write_atomically(folder / "README.md", _card(self.run.path, facts, codes))
        self.report(f"stack saved in {self.run.model}")


def _recipe_digest(tree: dict[str, Any]) -> str:
    """SHA-256 of a resolved recipe, wherever its run lies; runs that began before there was `states` can still be resumed."""
    stages = [{key: value for key, value in stage.items() if (key, value) != ("states", "pooled")} for stage in tree["stages"]]
    return hashlib.sha256(json.dumps({**tree, "run": "", "stages": stages}, sort_keys=True).encode()).hexdigest()


def _hashes(stage: StackStageConfig) -> list[str]:
    return [entry["sha256"] for corpus in stage.corpora for entry in fingerprint(corpus)]


def _card(run: Path, facts: StackFacts, codes: dict[str, None]) -> str:
    """What a person who finds the folder needs to know."""
    does = f"translates {', '.join(codes)}" if codes else "understands (it was not trained to translate)"
    parents = f"the encoder of `{facts.encoder.source}` in front of the language model `{facts.llm.source}`"
    use = f"```bash\ndragoman translate --model {run} < input.txt\n```"
    return f"# {run.name}\n\nA stack of Dragoman: {parents}; it {does}.\nBoth must be there, unchanged, to load it.\n\n{use}\n"
