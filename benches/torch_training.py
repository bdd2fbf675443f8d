"""How fast PyTorch trains pyramid_tiny on this machine's CPU: the peer of `fpn train`.

    python benches/torch_training.py [--steps 10]

The same network, batch, proposals and RoIs, built of torchvision's parts, on random pictures of
384 × 384 with eight boxes each. Prints pictures a second, the median over the steps after two for
warming up. Ours: `fpn train --data scenes:1:100 --steps 12 --out DIR` on the same machine.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

BATCH, SIDE, BOXES, CLASSES = 8, 384, 8, 9
BLOCKS, WIDTHS, CHANNELS, HIDDEN = [1, 2, 2, 2], [24, 48, 96, 160], 48, 224


class Backbone(nn.Module):
    """The slim ResNet with its pyramid."""

    out_channels = CHANNELS

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, channels = [], 16
        for index, (blocks, width) in enumerate(zip(BLOCKS, WIDTHS)):
            stage = []
            for block in range(blocks):
                stride = 2 if index > 0 and block == 0 else 1
                shortcut = None
                if stride != 1 or channels != width:
                    shortcut = nn.Sequential(
                        nn.Conv2d(channels, width, 1, stride, bias=False),
                        nn.BatchNorm2d(width),
                    )
                stage.append(BasicBlock(channels, width, stride, shortcut))
                channels = width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.fpn = FeaturePyramidNetwork(WIDTHS, CHANNELS, LastLevelMaxPool())

    def forward(self, x):
        x = self.stem(x)
        maps = {}
        for index, stage in enumerate(self.stages):
            x = stage(x)
            maps[str(index)] = x
        return self.fpn(maps)


def model():
    sizes = tuple((size,) for size in [16, 32, 64, 128, 256])
    return FasterRCNN(
        Backbone(),
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5),
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2, canonical_scale=160),
        box_head=TwoMLPHead(CHANNELS * 49, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, CLASSES),
        rpn_pre_nms_top_n_train=500,
        rpn_post_nms_top_n_train=500,
        box_batch_size_per_image=128,
        min_size=SIDE,
        max_size=640,
    )


def batch():
    pictures = [torch.rand(3, SIDE, SIDE) for _ in range(BATCH)]
    targets = []
    for _ in range(BATCH):
        corner = torch.rand(BOXES, 2) * 250
        size = 10 + torch.rand(BOXES, 2) * 120
        boxes = torch.cat([corner, corner + size], 1)
        targets.append({"boxes": boxes, "labels": torch.randint(1, CLASSES, (BOXES,))})
    return pictures, targets


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    torch.manual_seed(1)
    detector = model().train()
    optimizer = torch.optim.SGD(detector.parameters(), 0.02, 0.9, weight_decay=1e-4)
    seconds = []
    for _ in range(steps + 2):
        pictures, targets = batch()
        started = time.perf_counter()
        loss = sum(detector(pictures, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[2:])
    print(f"{torch.__version__}, {torch.get_num_threads()} threads: "
          f"{median:.2f} s a step, {BATCH / median:.1f} pictures/s")


if __name__ == "__main__":
    main()
