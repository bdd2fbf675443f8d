"""Goldens of the tutorials' pyramid, `fpn_resnet50|101|152`: a ResNet and P2..P5, without heads.

The published definition, rebuilt; the state-dict keys are its own. Unlike in torchvision's pyramid, P5 has no 3x3
behind it, the picture keeps its own size and is not padded, and what is handed down is resized to the exact size of
the map it is added to (17x14 from 9x7), nearest or bilinear.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.transforms.functional import normalize

import generator

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
PARAMETERS = {"resnet50": 26_262_336, "resnet101": 45_254_464, "resnet152": 60_898_112}
TOP_DOWN = ("nearest", "bilinear")

# `<model>.txt`: each key and its shape. Beside the checkout; where it is missing only the count is compared.
KEYS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "keys"

# How far f32 may be from f64, as a part of a stage's largest value, so that there is room in the tests' 1e-5.
ROUNDING = 5e-6


@dataclass
class Case:
    seed: int
    arch: str
    top_down: str
    height: int
    width: int

    @property
    def name(self):
        variant = "" if self.top_down == "nearest" else f"_{self.top_down}"
        return f"fpn_{self.arch}{variant}_s{self.seed}"


CASES = [
    Case(1, "resnet50", "nearest", 97, 131),  # landscape; no map is twice the next
    Case(2, "resnet50", "bilinear", 263, 224),  # portrait; 33x28 from 17x14 from 9x7
    Case(3, "resnet101", "nearest", 75, 51),
    Case(4, "resnet152", "bilinear", 45, 29),  # C5 is 2x1
]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and a shortcut, which the first block of every stage projects."""

    def __init__(self, cin, width, stride, is_first):
        super().__init__()
        cout = 4 * width
        self.bottleneck = nn.Sequential(
            nn.Conv2d(cin, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        )
        self.downsample = None
        if is_first:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.bottleneck(x)
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Pyramid(nn.Module):
    def __init__(self, arch, top_down, channels=256):
        super().__init__()
        assert top_down in TOP_DOWN
        self.top_down = top_down
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)

        def stage(cin, width, blocks, stride):
            rest = [Bottleneck(4 * width, width, 1, False) for _ in range(blocks - 1)]
            return nn.Sequential(Bottleneck(cin, width, stride, True), *rest)

        blocks = BLOCKS[arch]
        self.layer1 = stage(64, 64, blocks[0], 1)
        self.layer2 = stage(256, 128, blocks[1], 2)
        self.layer3 = stage(512, 256, blocks[2], 2)
        self.layer4 = stage(1024, 512, blocks[3], 2)
        self.toplayer = nn.Conv2d(2048, channels, 1)
        self.smooth1, self.smooth2, self.smooth3 = (nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(3))
        self.latlayer1 = nn.Conv2d(1024, channels, 1)
        self.latlayer2 = nn.Conv2d(512, channels, 1)
        self.latlayer3 = nn.Conv2d(256, channels, 1)

    def merge(self, coarse, lateral):
        size = lateral.shape[-2:]
        if self.top_down == "nearest":
            return F.interpolate(coarse, size=size, mode="nearest") + lateral
        return F.interpolate(coarse, size=size, mode="bilinear", align_corners=False) + lateral

    def forward(self, image):
        """All stages by name."""
        c2 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(image)))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        m5 = self.toplayer(c5)
        m4 = self.merge(m5, self.latlayer1(c4))
        m3 = self.merge(m4, self.latlayer2(c3))
        m2 = self.merge(m3, self.latlayer3(c2))
        p4, p3, p2 = self.smooth1(m4), self.smooth2(m3), self.smooth3(m2)
        return {"image": image, "c2": c2, "c3": c3, "c4": c4, "c5": c5, "p2": p2, "p3": p3, "p4": p4, "p5": m5}


def published_keys(arch):
    """Each key with its shape, of the list beside the checkout; none where it is missing."""
    path = KEYS / f"fpn_{arch}.txt"
    if not path.exists():
        print(f"fpn_{arch}: keys not compared, {path} is missing")
        return None
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {key: tuple(int(n) for n in re.findall(r"\d+", shape)) for key, shape in rows}


def check_published(model, arch):
    """The parameters and the state dict are those of the published model."""
    count = sum(p.numel() for p in model.parameters())
    assert count == PARAMETERS[arch], f"fpn_{arch} has {count:,} parameters, not {PARAMETERS[arch]:,}"
    expected = published_keys(arch)
    if expected is not None:
        found = {name: tuple(t.shape) for name, t in model.state_dict().items()}
        differences = sorted(set(found.items()) ^ set(expected.items()))
        assert not differences, f"fpn_{arch} is not the published one: {differences[:5]}"


def build(case):
    model = Pyramid(case.arch, case.top_down)
    check_published(model, case.arch)
    state = model.state_dict()
    for name in state:
        if not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(generator.parameter(case.seed, name, tuple(state[name].shape)))
    model.load_state_dict(state, strict=True)
    return model.eval()


def prepare(picture):
    """[H, W, 3] u8 RGB to [1, 3, H, W], in its own size."""
    image = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    return normalize(image, MEAN, STD)[None]


def generate(case, folder):
    model = build(case)
    stages = model(prepare(generator.picture(case.seed, case.height, case.width)))
    exact = model.double()(stages["image"].double())
    print(f"{case.name}: {case.height}x{case.width}")
    for name, tensor in stages.items():
        largest = float(tensor.abs().max())
        rounding = float((tensor - exact[name]).abs().max()) / largest
        print(
            f"  {name}: {'x'.join(str(n) for n in tensor.shape[1:])}, largest {largest:.2f}, "
            f"rms {float(tensor.square().mean().sqrt()):.3f}, f32 off by {rounding:.1e} of the largest"
        )
        if rounding > ROUNDING:
            raise SystemExit(f"{case.name}: {name} is too inexact in f32 to compare with")
    metadata = {
        "arch": case.arch,
        "top_down": case.top_down,
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "bn_eps": repr(model.bn1.eps),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", generator.sampled(stages), metadata)
