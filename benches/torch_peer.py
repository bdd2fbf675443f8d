"""Times torchvision's Faster R-CNN, for `cpu-engine` to compare with.

Needs torch and torchvision. Weights are random: the time of all but the last stage does not depend
on them. Prints the median seconds of each stage as JSON.
"""

import argparse
import json
import statistics
import time

import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(backbone_name=args.backbone, weights=None)
    model = FasterRCNN(backbone, num_classes=91).eval()
    picture = torch.rand(3, args.height, args.width)

    stages = {name: [] for name in ("transform", "backbone and pyramid", "proposals", "box head")}
    with torch.inference_mode():
        for run in range(args.runs + 1):
            marks = [time.perf_counter()]
            images, _ = model.transform([picture])
            marks.append(time.perf_counter())
            features = model.backbone(images.tensors)
            marks.append(time.perf_counter())
            proposals, _ = model.rpn(ImageList(images.tensors, images.image_sizes), features)
            marks.append(time.perf_counter())
            model.roi_heads(features, proposals, images.image_sizes)
            marks.append(time.perf_counter())
            if run > 0:  # the first warms up
                for times, start, end in zip(stages.values(), marks, marks[1:]):
                    times.append(end - start)
    print(json.dumps({name: statistics.median(times) for name, times in stages.items()}))


if __name__ == "__main__":
    main()
