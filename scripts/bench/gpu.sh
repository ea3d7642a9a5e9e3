#!/usr/bin/env bash
# Training speed on one GPU in under ten minutes, on an image with torch, transformers and peft; nothing is fetched but what pip needs.
#
#   scripts/bench/gpu.sh [options of gpu.py]
#
# Uses this checkout without installing torch or transformers anew. QLoRA runs where bitsandbytes is, TRL where trl and datasets are.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
if ! "$python" -c 'import dragoman.mt.training' 2>/dev/null; then
    "$python" -m pip install --quiet --no-deps --editable . || echo "dragoman could not be installed; going on with what is there" >&2
    "$python" -m pip install --quiet accelerate filelock langcodes language-data polib pydantic PyYAML rapidfuzz rich sacrebleu typer ||
        echo "not every small dependency could be installed; going on with what is there" >&2
fi
"$python" -m pip install --quiet bitsandbytes datasets 2>/dev/null || echo "no bitsandbytes or datasets: without QLoRA and TRL" >&2
"$python" -m pip install --quiet --no-deps trl 2>/dev/null || true
exec timeout 590 "$python" scripts/bench/gpu.py "$@"
