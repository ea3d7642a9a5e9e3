"""Runs in COMET's environment, not in the tests': trains tiny COMET models with unbabel-comet and scores with them directly.

python tiny_comet.py FOLDER reads FOLDER/samples.json and leaves a model in FOLDER/{regression,referenceless,xcomet}, in the layout that
`comet-train` writes, and in FOLDER/direct.json what unbabel-comet itself says about the samples.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytorch_lightning as lightning
import sentencepiece
import torch
import yaml
from comet import load_from_checkpoint
from comet.models import ReferencelessRegression, RegressionMetric, XCOMETMetric
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

Samples = list[dict[str, str]]


def save_encoder(folder: Path, samples: Samples) -> None:
    """A tiny XLM-R with random weights and a SentencePiece tokenizer trained on the samples."""
    texts = [text for sample in samples for text in sample.values()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "pieces"), vocab_size=400, hard_vocab_limit=False, minloglevel=2
    )
    tokenizer = XLMRobertaTokenizer(str(folder / "pieces.model"))
    tokenizer.save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=130,
        type_vocab_size=1,
        initializer_range=0.3,  # large enough that scores differ from text to text
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)


def write_training_data(path: Path, samples: Samples) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["src", "mt", "ref", "score"])
        rows.writeheader()
        for number, sample in enumerate(samples * 4):
            rows.writerow({**sample, "score": (number % 10) / 10})


def train(kind: type, folder: Path, encoder: Path, data: Path) -> None:
    """Six steps of Lightning's trainer; checkpoint and hparams.yaml are its own."""
    settings = {"encoder_model": "XLM-RoBERTa", "pretrained_model": str(encoder), "hidden_sizes": [32, 16], "batch_size": 8}
    rates = {"learning_rate": 1e-3, "encoder_learning_rate": 1e-3, "nr_frozen_epochs": 0.0, "keep_embeddings_frozen": False}
    model = kind(**settings, **rates, train_data=[str(data)], validation_data=[str(data)])
    logger = lightning.loggers.CSVLogger(folder.parent, name="", version=folder.name)
    options = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    lightning.Trainer(logger=logger, max_steps=6, **options).fit(model)


def save_xcomet(folder: Path, encoder: Path) -> None:
    """Untrained: the released code trains word-level heads on GPUs only (`compute_loss` calls `.cuda()`)."""
    settings = {"encoder_model": "XLM-RoBERTa", "pretrained_model": str(encoder), "hidden_sizes": [32, 16], "word_layer": 2}
    model = XCOMETMetric(**settings, validation_data=[])
    torch.nn.init.normal_(model.hidden2tag.weight, std=3.0)  # so that some words are marked
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    trainer.strategy.connect(model)
    (folder / "checkpoints").mkdir(parents=True)
    trainer.save_checkpoint(folder / "checkpoints" / "model.ckpt")
    (folder / "hparams.yaml").write_text(yaml.dump({**model.hparams, "class_identifier": "xcomet_metric"}), encoding="utf-8")


def predict(folder: Path, samples: Samples) -> dict[str, object]:
    checkpoint = next((folder / "checkpoints").glob("*.ckpt"))
    prediction = load_from_checkpoint(str(checkpoint)).predict(samples, batch_size=8, gpus=0, progress_bar=False)
    spans = prediction["metadata"]["error_spans"] if "metadata" in prediction else []
    return {"system": prediction["system_score"], "segments": prediction["scores"], "spans": spans}


def moved_by_training(encoder: Path, trained: Path) -> float:
    """The largest change of a weight of the encoder."""
    before = XLMRobertaModel.from_pretrained(encoder, add_pooling_layer=False).state_dict()
    after = torch.load(next((trained / "checkpoints").glob("*.ckpt")), weights_only=True)["state_dict"]
    return max(float((after[f"encoder.model.{name}"] - weights).abs().max()) for name, weights in before.items())


def main(folder: Path) -> None:
    lightning.seed_everything(1)
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    encoder = folder / "encoder"
    encoder.mkdir()
    save_encoder(encoder, samples)
    write_training_data(folder / "train.csv", samples)
    for kind, name in ((RegressionMetric, "regression"), (ReferencelessRegression, "referenceless")):
        train(kind, folder / name, encoder, folder / "train.csv")
    save_xcomet(folder / "xcomet", encoder)
    without = [{"src": sample["src"], "mt": sample["mt"]} for sample in samples]
    direct: dict[str, object] = {name: predict(folder / name, samples) for name in ("regression", "xcomet")}
    direct |= {"referenceless": predict(folder / "referenceless", without), "xcomet-free": predict(folder / "xcomet", without)}
    direct["moved"] = moved_by_training(encoder, folder / "regression")
    (folder / "direct.json").write_text(json.dumps(direct), encoding="utf-8")
    before = {name: parameter.clone() for name, parameter in XLMRobertaModel.from_pretrained(encoder).named_parameters()}
    after = torch.load(next((folder / "regression" / "checkpoints").glob("*.ckpt")), weights_only=True)["state_dict"]
    moved = max(
        float((after[f"encoder.model.{name}"] - parameter).abs().max()) for name, parameter in before.items() if "pooler" not in name
    )
    (folder / "moved.json").write_text(json.dumps(moved), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
