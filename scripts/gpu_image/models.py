"""Model folders for GPUs: their float16 graph computes in float16, which is faster on a GPU.

usage: python -m gpu_image.models SOURCE DESTINATION

Copies every model folder of SOURCE into DESTINATION and creates the float16 graph again from the float32 one.
The float16 graph of SOURCE has the same weights, but computes in float32, which is faster on a CPU.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from onnx import ModelProto, load

from onnx_models import files, variants


def compute_in_half(model: ModelProto) -> ModelProto:
    """Returns the graph with weights and arithmetic in float16; its output is float32 as before."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half = ModelProto()
    half.CopyFrom(model)
    converted: ModelProto = convert_float_to_float16(half, keep_io_types=True, disable_shape_infer=True)
    return converted


def convert(source: Path, destination: Path) -> None:
    """Creates one model folder for GPUs."""
    manifest = files.read_json(source / files.MANIFEST)
    full = manifest["variants"].get("float32")

    def write(fresh: Path) -> None:
        shutil.copytree(source, fresh, dirs_exist_ok=True)
        if full is not None:
            for file in manifest["variants"].get("float16", {}).values():
                if isinstance(file, dict):
                    (fresh / file["name"]).unlink()
            half = compute_in_half(load(source / full["graph"]["name"]))
            manifest["variants"]["float16"] = variants.write(half, fresh, "float16")
        (fresh / files.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")

    files.replace(destination, write)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    source, destination = Path(sys.argv[1]), Path(sys.argv[2])
    for manifest in sorted(source.glob(f"*/{files.MANIFEST}")):
        convert(manifest.parent, destination / manifest.parent.name)
        print(f"{destination / manifest.parent.name}: float16 computes in float16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
