"""Goldens of NanoDet-m and NanoDet-Plus-m: ShuffleNetV2, two kinds of pyramids, heads of distributions.

The published definitions, rebuilt; the state-dict keys are their own, but for the parts that only training has.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import nms

import faster_rcnn
import fpn_resnet
import generator
import resizers

# In the order of the channels: blue, green, red.
MEAN = np.array([103.53, 116.28, 123.675]) / 255
STD = np.array([57.375, 57.12, 58.395]) / 255
SLOPE = 0.1
CLASSES, BINS = 80, 8
SCORE, NMS, KEEP = 0.05, 0.6, 100

# Inference part, used.
PARAMETERS = {"plus_m": 1_197_924, "m": 950_036}


@dataclass
class Case:
    seed: int
    variant: str
    height: int
    width: int
    side: int

    @property
    def name(self):
        return f"nanodet_{self.variant}_s{self.seed}"


CASES = [
    Case(1, "plus_m", 90, 75, 128),  # smaller than the square: its last row and column are darker
    Case(2, "m", 113, 170, 128),
    Case(3, "plus_m_wider", 160, 241, 96),  # 3x3 at the coarsest but one, 2x2 behind it
    Case(4, "m", 121, 67, 160),  # enlarged
]


def act(x):
    return F.leaky_relu(x, SLOPE)


def depthwise(channels, kernel, stride):
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)


def pointwise(cin, cout):
    return nn.Conv2d(cin, cout, 1, bias=False)


class Unit(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        half = cout // 2
        norm, leaky = nn.BatchNorm2d, nn.LeakyReLU(SLOPE)
        if stride == 2:
            self.branch1 = nn.Sequential(depthwise(cin, 3, 2), norm(cin), pointwise(cin, half), norm(half), leaky)
        first = [pointwise(cin if stride == 2 else half, half), norm(half), leaky]
        last = [pointwise(half, half), norm(half), leaky]
        self.branch2 = nn.Sequential(*first, depthwise(half, 3, stride), norm(half), *last)

    def forward(self, x):
        if hasattr(self, "branch1"):
            y = torch.cat([self.branch1(x), self.branch2(x)], dim=1)
        else:
            passing, other = x.chunk(2, dim=1)
            y = torch.cat([passing, self.branch2(other)], dim=1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleNet(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.LeakyReLU(SLOPE))

        def stage(cin, cout, units):
            return nn.Sequential(Unit(cin, cout, 2), *[Unit(cout, cout, 1) for _ in range(units - 1)])

        self.stage2 = stage(24, channels[0], 4)
        self.stage3 = stage(channels[0], channels[1], 8)
        self.stage4 = stage(channels[1], channels[2], 4)

    def forward(self, x):
        c3 = self.stage2(F.max_pool2d(self.conv1(x), 3, 2, 1))
        c4 = self.stage3(c3)
        return c3, c4, self.stage4(c4)


class Separable(nn.Module):
    """Depthwise, then across channels, an activation behind each."""

    def __init__(self, channels, kernel, stride=1):
        super().__init__()
        self.depthwise, self.pointwise = depthwise(channels, kernel, stride), pointwise(channels, channels)
        self.dwnorm, self.pwnorm = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        return act(self.pwnorm(self.pointwise(act(self.dwnorm(self.depthwise(x))))))


class GhostModule(nn.Module):
    def __init__(self, cin, cout, is_active):
        super().__init__()
        half = cout // 2
        self.primary_conv = nn.Sequential(pointwise(cin, half), nn.BatchNorm2d(half))
        self.cheap_operation = nn.Sequential(depthwise(half, 3, 1), nn.BatchNorm2d(half))
        self.act = act if is_active else nn.Identity()

    def forward(self, x):
        a = self.act(self.primary_conv(x))
        return torch.cat([a, self.act(self.cheap_operation(a))], dim=1)


class GhostBottleneck(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.ghost1, self.ghost2 = GhostModule(cin, cout, True), GhostModule(cout, cout, False)
        self.shortcut = nn.Sequential(
            depthwise(cin, 5, 1), nn.BatchNorm2d(cin), pointwise(cin, cout), nn.BatchNorm2d(cout)
        )

    def forward(self, x):
        return self.ghost2(self.ghost1(x)) + self.shortcut(x)


class GhostBlocks(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.blocks = nn.Sequential(GhostBottleneck(2 * channels, channels))

    def forward(self, first, second):
        return self.blocks(torch.cat([first, second], dim=1))


class Reduction(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv, self.bn = pointwise(cin, cout), nn.BatchNorm2d(cout)

    def forward(self, x):
        return act(self.bn(self.conv(x)))


class GhostPan(nn.Module):
    def __init__(self, channels, width):
        super().__init__()

        def each(count, module, *arguments):
            return nn.ModuleList(module(*arguments) for _ in range(count))

        self.reduce_layers = nn.ModuleList(Reduction(c, width) for c in channels)
        self.top_down_blocks = each(2, GhostBlocks, width)
        self.downsamples = each(2, Separable, width, 5, 2)
        self.bottom_up_blocks = each(2, GhostBlocks, width)
        self.extra_lvl_in_conv = each(1, Separable, width, 5, 2)
        self.extra_lvl_out_conv = each(1, Separable, width, 5, 2)

    def forward(self, features):
        r3, r4, r5 = (layer(c) for layer, c in zip(self.reduce_layers, features))

        def up(x):
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

        t4 = self.top_down_blocks[0](up(r5), r4)
        p3 = self.top_down_blocks[1](up(t4), r3)
        p4 = self.bottom_up_blocks[0](self.downsamples[0](p3), t4)
        p5 = self.bottom_up_blocks[1](self.downsamples[1](p4), r5)
        return p3, p4, p5, self.extra_lvl_in_conv[0](r5) + self.extra_lvl_out_conv[0](p5)


class Lateral(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        return self.conv(x)


class Pan(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.lateral_convs = nn.ModuleList(Lateral(c, width) for c in channels)

    def forward(self, features):
        l3, l4, l5 = (conv(c) for conv, c in zip(self.lateral_convs, features))

        def by(factor, x):
            return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)

        l4 = l4 + by(2, l5)
        n3 = l3 + by(2, l4)
        n4 = l4 + by(0.5, n3)
        return n3, n4, l5 + by(0.5, n4)


class Head(nn.Module):
    def __init__(self, width, kernel, levels):
        super().__init__()
        self.cls_convs = nn.ModuleList(
            nn.Sequential(Separable(width, kernel), Separable(width, kernel)) for _ in range(levels)
        )
        self.gfl_cls = nn.ModuleList(nn.Conv2d(width, CLASSES + 4 * BINS, 1) for _ in range(levels))

    def forward(self, pyramid):
        return [last(convs(p)) for last, convs, p in zip(self.gfl_cls, self.cls_convs, pyramid)]


class NanoDet(nn.Module):
    def __init__(self, variant):
        super().__init__()
        self.is_plus = variant != "m"
        channels, width = ((176, 352, 704), 128) if variant.endswith("wider") else ((116, 232, 464), 96)
        self.backbone = ShuffleNet(channels)
        self.fpn = GhostPan(channels, width) if self.is_plus else Pan(channels, width)
        self.head = Head(width, 5, 4) if self.is_plus else Head(width, 3, 3)

    def forward(self, image):
        """All stages by name."""
        features = self.backbone(image)
        pyramid = self.fpn(features)
        outputs = self.head(pyramid)
        stages = {"image": image} | {f"c{n}": c for n, c in enumerate(features, 3)}
        return stages | {f"p{n}": p for n, p in enumerate(pyramid, 3)} | {f"out{n}": o for n, o in enumerate(outputs, 3)}


def prepare(picture, case):
    """[H, W, 3] u8 RGB to [1, 3, H', W'], and the warp: source = index * ratio + shift, each for (y, x)."""
    place = resizers.nanodet_place if case.variant == "m" else resizers.nanodet_plus_place
    size, ratio, shift = place(case.height, case.width, case.side)
    warped = resizers.warp(picture, size, ratio, shift)[:, :, ::-1]
    x = ((warped / 255 - MEAN) / STD).transpose(2, 0, 1)
    padding = [(0, 0), *((0, -side % 32) for side in size)]
    return torch.from_numpy(np.pad(x, padding).astype(np.float32))[None], ratio, shift


def decode(stages, case, ratio, shift):
    """The best detections, and the numbers that decided."""
    height, width = stages["image"].shape[2:]
    boxes, scores, levels = [], [], []
    outputs = [stages[f"out{n}"] for n in range(3, 7) if f"out{n}" in stages]
    half = 0.5 if case.variant == "m" else 0.0
    for level, output in enumerate(outputs, 3):
        stride = 2**level
        rows, columns = output.shape[2:]
        assert (rows, columns) == (math.ceil(height / stride), math.ceil(width / stride))
        cells = output[0].permute(1, 2, 0).reshape(-1, CLASSES + 4 * BINS)
        bins = torch.arange(BINS, dtype=cells.dtype)
        sides = (cells[:, CLASSES:].reshape(-1, 4, BINS).softmax(dim=2) * bins).sum(dim=2) * stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        x, y = ((place.reshape(-1).to(cells.dtype) + half) * stride for place in (x, y))
        left, top, right, bottom = sides.unbind(1)
        box = torch.stack([x - left, y - top, x + right, y + bottom], dim=1)
        limit = torch.tensor([width, height, width, height], dtype=cells.dtype)
        boxes.append(torch.minimum(box.clamp(min=0), limit))
        scores.append(cells[:, :CLASSES].sigmoid())
        levels.append(torch.full((len(cells),), level))
    boxes, scores, levels = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
    points, labels = torch.where(scores > SCORE)
    found, found_boxes = scores[points, labels], boxes[points]
    kept = [torch.where(labels == label)[0] for label in labels.unique()]
    kept = torch.cat([mine[nms(found_boxes[mine], found[mine], NMS)] for mine in kept])
    kept = kept[found[kept].argsort(descending=True, stable=True)]
    margin = {
        "margin.score": float((scores - SCORE).abs().min()),
        "margin.nms": faster_rcnn.nms_margin(found_boxes, found, labels, NMS),
        "margin.top": faster_rcnn.cut_margin(found[kept], KEEP),
    }
    kept = kept[:KEEP]
    down, across = ratio
    back = torch.tensor([across, down, across, down]), torch.tensor([shift[1], shift[0], shift[1], shift[0]])
    limit = torch.tensor([case.width, case.height, case.width, case.height])
    in_picture = found_boxes[kept].double() * back[0] + back[1]
    detections = {
        "boxes": torch.minimum(in_picture.clamp(min=0), limit).float(),
        "scores": found[kept].float(),
        "labels": labels[kept],
        "levels": levels[points[kept]],
    }
    return detections, margin, len(points)


def generate(case, folder):
    model = NanoDet(case.variant).eval()
    state = model.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if "num_batches" not in name}
    for name, shape in shapes.items():
        state[name] = torch.from_numpy(generator.parameter(case.seed, name, shape))
    model.load_state_dict(state, strict=True)
    check_definition(model, case.variant)

    image, ratio, shift = prepare(generator.picture(case.seed, case.height, case.width), case)

    def detect(x):
        stages = model(x)
        return stages, *decode(stages, case, ratio, shift)

    stages, found, margin, candidates = detect(image)
    moved = 0
    for i in range(3):
        noise = torch.from_numpy(generator.values(case.seed, f"perturbation.{i}", tuple(image.shape)))
        moved += faster_rcnn.unmatched(found, detect(image * (1 + 1e-6 * noise))[1])
    model.double()
    exact, found_in_f64, _, _ = detect(image.double())
    moved += faster_rcnn.unmatched(found, found_in_f64)
    rounding = max(float((stages[n] - exact[n]).abs().max() / exact[n].abs().max()) for n in stages)
    print(
        f"{case.name}: {case.height}x{case.width}, {candidates} candidates, {len(found['scores'])} found on levels "
        f"{found['levels'].bincount()[3:].tolist()}, {len(found['labels'].unique())} classes, unstable {moved}, "
        f"f32 from f64 {rounding:.1e}, " + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    # Where more are found than are kept, those at the threshold are not among them.
    if len(found["scores"]) == KEEP:
        del margin["margin.score"]
    if moved or min(margin.values()) < faster_rcnn.MARGIN or rounding > fpn_resnet.ROUNDING:
        raise SystemExit(f"{case.name} is fragile: choose another picture size")

    out = {k: t.numpy() for k, t in found.items()}
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(stages)
    metadata = {"seed": case.seed, "variant": case.variant, "height": case.height, "width": case.width}
    metadata |= {"side": case.side, "torch": torch.__version__}
    generator.save(folder / f"{case.name}.safetensors", out, metadata)


def check_definition(model, variant):
    """The number of parameters, and the keys where their list is there."""
    if variant not in PARAMETERS:
        return
    count = sum(p.numel() for p in model.parameters())
    assert count == PARAMETERS[variant], f"{count} parameters"
    path = fpn_resnet.KEYS / f"nanodet_{variant}.txt"
    if path.exists():
        lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
        listed = dict(line.split("\t") for line in lines)
        for name in [n for n in listed if n.startswith(("head.gfl_reg.", "head.distribution_project."))]:
            del listed[name]  # no forward pass reads them
        ours = {n: str(list(t.shape)) for n, t in model.state_dict().items()}
        assert ours == listed, f"{set(ours) ^ set(listed)}"
