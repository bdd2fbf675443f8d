"""What is published of torchvision's detectors: how many parameters, and the state dict's keys and shapes."""

import re
from pathlib import Path

import torch

# `<model>.txt`: each key and its shape. Beside the checkout; where one is missing only the count is compared.
KEYS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "keys"

# Of these, norms' scales and shifts are counted where the published file's are not frozen.
PARAMETERS = {
    "fasterrcnn_resnet50_fpn_v2": 43_712_278,
    "fasterrcnn_mobilenet_v3_large_fpn": 19_386_354,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 19_386_354,
    "fasterrcnn_resnext50_32x4d_fpn": 41_212_054,
    "fasterrcnn_resnext101_32x8d_fpn": 104_839_830,
    "retinanet_resnet50_fpn": 34_014_999,
    "retinanet_resnet50_fpn_v2": 38_198_935,
    "fcos_resnet50_fpn": 32_269_600,
    "maskrcnn_resnet50_fpn": 44_401_393,
    "maskrcnn_resnet50_fpn_v2": 46_359_409,
    "keypointrcnn_resnet50_fpn": 59_137_258,
}


def shapes(state):
    """Each key with its shape, counters of batches left out."""
    return {name: tuple(shape) for name, shape in state if not name.endswith("num_batches_tracked")}


def check(name, construct):
    """The model that `construct` makes, of as many classes as usual, has the published parameters."""
    with torch.device("meta"):
        model = construct(name)
    found = shapes((key, t.shape) for key, t in model.state_dict().items())
    norms = {key.removesuffix("running_mean") for key in found if key.endswith("running_mean")}
    parameters = [key for key in found if "running_" not in key]
    is_norm = [any(key == norm + leaf for norm in norms for leaf in ("weight", "bias")) for key in parameters]
    sizes = [torch.Size(found[key]).numel() for key in parameters]
    frozen = 0 if name.endswith("_v2") else sum(size for size, norm in zip(sizes, is_norm) if norm)
    count = sum(sizes) - frozen
    assert count == PARAMETERS[name], f"{name} has {count:,} parameters, not {PARAMETERS[name]:,}"

    path = KEYS / f"{name}.txt"
    if not path.exists():
        print(f"{name}: keys not compared, {path} is missing")
        return
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    expected = shapes((key, map(int, re.findall(r"\d+", shape))) for key, shape in rows)
    differences = sorted(set(found.items()) ^ set(expected.items()))
    assert not differences, f"{name} is not the published one: {differences[:5]}"
