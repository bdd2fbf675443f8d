"""A compact RetinaFace with the MobileNet-0.25 body: the reference for its goldens.

The state-dict keys are the published checkpoint's.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import nms

MEAN = (104.0, 117.0, 123.0)
STRIDES = (8, 16, 32)
SIZES = ((16, 32), (64, 128), (256, 512))
SLOPE = 0.1


def conv(cin, cout, kernel=3, stride=1, groups=1, leaky=True):
    layers = [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return layers + [nn.LeakyReLU(SLOPE)] if leaky else layers


def separable(cin, cout, stride):
    """Depthwise 3x3, then 1x1."""
    return nn.Sequential(*conv(cin, cin, 3, stride, groups=cin), *conv(cin, cout, 1))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Sequential(*conv(3, 8, stride=2)),
            *[separable(*a) for a in [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]],
        )
        self.stage2 = nn.Sequential(separable(64, 128, 2), *[separable(128, 128, 1) for _ in range(5)])
        self.stage3 = nn.Sequential(separable(128, 256, 2), separable(256, 256, 1))

    def forward(self, x):
        c3 = self.stage1(x)
        c4 = self.stage2(c3)
        return c3, c4, self.stage3(c4)


class Pyramid(nn.Module):
    def __init__(self, channels=64):
        super().__init__()
        self.output1 = nn.Sequential(*conv(64, channels, 1))
        self.output2 = nn.Sequential(*conv(128, channels, 1))
        self.output3 = nn.Sequential(*conv(256, channels, 1))
        self.merge1 = nn.Sequential(*conv(channels, channels))
        self.merge2 = nn.Sequential(*conv(channels, channels))

    def forward(self, c3, c4, c5):
        p5 = self.output3(c5)
        lateral4 = self.output2(c4)
        p4 = self.merge2(lateral4 + F.interpolate(p5, size=lateral4.shape[-2:], mode="nearest"))
        lateral3 = self.output1(c3)
        p3 = self.merge1(lateral3 + F.interpolate(p4, size=lateral3.shape[-2:], mode="nearest"))
        return p3, p4, p5


class Context(nn.Module):
    """The SSH module: branches that see 3x3, 5x5 and 7x7."""

    def __init__(self, channels=64):
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.conv3X3 = nn.Sequential(*conv(channels, half, leaky=False))
        self.conv5X5_1 = nn.Sequential(*conv(channels, quarter))
        self.conv5X5_2 = nn.Sequential(*conv(quarter, quarter, leaky=False))
        self.conv7X7_2 = nn.Sequential(*conv(quarter, quarter))
        self.conv7x7_3 = nn.Sequential(*conv(quarter, quarter, leaky=False))

    def forward(self, x):
        shared = self.conv5X5_1(x)
        wide = self.conv7x7_3(self.conv7X7_2(shared))
        return F.relu(torch.cat([self.conv3X3(x), self.conv5X5_2(shared), wide], dim=1))


class Head(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, outputs, 1)

    def forward(self, x):
        return self.conv1x1(x)


class RetinaFace(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = Body()
        self.fpn = Pyramid()
        self.ssh1, self.ssh2, self.ssh3 = Context(), Context(), Context()
        self.ClassHead = nn.ModuleList(Head(64, 2 * 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(64, 2 * 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(64, 2 * 10) for _ in range(3))

    def forward(self, x):
        """All the maps of the pyramid and the heads, by name; levels are 3, 4, 5."""
        maps = {}
        pyramid = self.fpn(*self.body(x))
        for i, (p, ssh) in enumerate(zip(pyramid, (self.ssh1, self.ssh2, self.ssh3))):
            level = i + 3
            maps[f"p{level}"] = p
            maps[f"ssh{level}"] = s = ssh(p)
            maps[f"class.{level}"] = self.ClassHead[i](s)
            maps[f"bbox.{level}"] = self.BboxHead[i](s)
            maps[f"landmark.{level}"] = self.LandmarkHead[i](s)
        return maps


def prepare(picture, dtype=torch.float32):
    """[H, W, 3] u8 RGB to [1, 3, H, W]."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].to(dtype)
    return x - torch.tensor(MEAN, dtype=dtype)[None, :, None, None]


def priors(height, width, dtype):
    """(cx, cy, size) of every anchor of each level, in pixels; by row, column, size."""
    out = []
    for stride, sizes in zip(STRIDES, SIZES):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        level = [
            ((j + 0.5) * stride, (i + 0.5) * stride, size)
            for i in range(rows)
            for j in range(columns)
            for size in sizes
        ]
        out.append(torch.tensor(level, dtype=dtype))
    return out


def decode(maps, height, width, threshold=0.5, pre_nms=5000, nms_threshold=0.4, keep=750):
    """Faces as a dict of boxes, scores, landmarks, levels; and the numbers that decided."""
    boxes, scores, landmarks, levels = [], [], [], []
    for i, anchors in enumerate(priors(height, width, maps["p3"].dtype)):
        def flat(name, channels):
            return maps[f"{name}.{i + 3}"].permute(0, 2, 3, 1).reshape(-1, channels)

        centre, size = anchors[:, :2], anchors[:, 2:]
        delta = flat("bbox", 4)
        middle = centre + 0.1 * delta[:, :2] * size
        side = size * torch.exp(0.2 * delta[:, 2:])
        boxes.append(torch.cat([middle - side / 2, middle + side / 2], dim=1))
        points = flat("landmark", 10).reshape(-1, 5, 2)
        landmarks.append((centre[:, None] + 0.1 * points * size[:, None]).reshape(-1, 10))
        scores.append(flat("class", 2).softmax(dim=1)[:, 1])
        levels.append(torch.full((len(anchors),), i + 3, dtype=torch.int64))
    boxes, scores, landmarks, levels = map(torch.cat, (boxes, scores, landmarks, levels))
    all_scores = scores
    chosen = torch.where(scores > threshold)[0]
    order = chosen[scores[chosen].argsort(descending=True, stable=True)][:pre_nms]
    kept = order[nms(boxes[order], scores[order], nms_threshold)][:keep]
    result = {"boxes": boxes[kept], "scores": scores[kept], "landmarks": landmarks[kept], "levels": levels[kept]}
    return result, {"scores": all_scores, "candidates": (boxes[order], scores[order])}
