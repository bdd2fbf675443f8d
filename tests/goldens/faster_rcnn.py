"""Goldens of Faster R-CNN, from torchvision's own models with generated weights.

Two things of torchvision are set, not left to it: NMS runs class by class (or level by level) instead of on
boxes shifted by class, and the RoI scales are those of the maps' strides instead of inferred from the unpadded picture.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models import detection
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import boxes as box_ops
from torchvision.ops.misc import FrozenBatchNorm2d
from torchvision.ops.poolers import initLevelMapper

import generator
import published

# No decision of the head may be nearer to its threshold than this.
MARGIN = 2e-5


@dataclass
class Case:
    seed: int
    arch: str
    height: int
    width: int
    num_classes: int
    min_size: int
    max_size: int
    bn_eps: float

    @property
    def name(self):
        return f"frcnn_{self.arch}_s{self.seed}"

    @property
    def model(self):
        return f"fasterrcnn_{self.arch}" + ("" if "_fpn" in self.arch else "_fpn")

    @property
    def finest(self):
        """The number of the finest level, as in P2."""
        return 4 if "mobilenet" in self.arch else 2


CASES = [
    Case(1, "resnet18", 150, 200, 21, 224, 373, 1e-5),  # landscape
    Case(2, "resnet50", 517, 606, 91, 800, 1333, 0.0),  # torchvision's full size
    Case(3, "resnet50", 241, 180, 2, 320, 533, 1e-5),  # portrait
    Case(4, "resnet50", 256, 256, 3, 256, 400, 0.0),  # square, not resized
    Case(5, "resnet34", 61, 83, 91, 224, 373, 0.0),  # much smaller than its resized size
    Case(6, "resnet50", 64, 400, 91, 224, 373, 1e-5),  # very wide: the long side decides
    Case(7, "resnet50", 335, 251, 21, 256, 400, 1e-5),  # odd sizes, made smaller
    Case(8, "resnet34", 301, 97, 91, 224, 373, 0.0),  # tall
    Case(9, "resnet101", 433, 640, 91, 224, 373, 1e-5),
    Case(10, "resnet152", 199, 277, 3, 256, 400, 0.0),
    Case(12, "resnet50_fpn_v2", 241, 180, 9, 256, 400, 1e-5),
    Case(20, "resnet50_fpn_v2", 150, 200, 21, 224, 373, 1e-5),
    Case(28, "mobilenet_v3_large", 150, 200, 91, 320, 533, 1e-5),
    Case(38, "mobilenet_v3_large", 251, 187, 3, 448, 800, 1e-5),
    Case(29, "mobilenet_v3_large_320", 150, 200, 91, 320, 640, 1e-5),
    Case(47, "mobilenet_v3_large_320", 64, 180, 21, 320, 640, 1e-5),  # the long side decides
    Case(17, "resnext50_32x4d", 150, 200, 21, 224, 373, 1e-5),
    Case(18, "resnext101_32x8d", 97, 131, 3, 128, 213, 1e-5),
]


def old_layout(name):
    """The state-dict key as older torchvision wrote it."""
    name = re.sub(r"((?:inner|layer)_blocks\.\d+)\.0\.", r"\1.", name)
    return name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")


def construct(name, num_classes=91, **sizes):
    """torchvision's model of this name."""
    body = re.fullmatch(r"fasterrcnn_(resnet\d+|resnext\w+)_fpn", name)
    if body:
        backbone = resnet_fpn_backbone(backbone_name=body[1], weights=None, trainable_layers=5)
        return FasterRCNN(backbone, num_classes=num_classes, **sizes)
    return getattr(detection, name)(weights=None, weights_backbone=None, num_classes=num_classes, **sizes)


def fill(model, case, **ranges):
    """Gives a model a case's parameters; `ranges` as for `generator.parameter`."""
    state = model.state_dict()
    # The second versions have no older layout.
    is_second = "backbone.fpn.inner_blocks.0.1.weight" in state
    for name in state:
        if not name.endswith("num_batches_tracked"):
            key = name if is_second else old_layout(name)
            values = generator.parameter(case.seed, key, tuple(state[name].shape), **ranges)
            state[name] = torch.from_numpy(values)
    model.load_state_dict(state, strict=True)
    norms = [m for m in model.modules() if isinstance(m, (FrozenBatchNorm2d, nn.BatchNorm2d))]
    assert norms
    for norm in norms:
        norm.eps = case.bn_eps
    return model.eval()


def build(case):
    model = construct(case.model, case.num_classes, min_size=case.min_size, max_size=case.max_size)
    fill(model, case, block="basic" if case.arch in ("resnet18", "resnet34") else "bottleneck")
    pool = model.roi_heads.box_roi_pool
    pool.scales, pool.map_levels = [1 / 4, 1 / 8, 1 / 16, 1 / 32], initLevelMapper(2, 5)
    if "mobilenet" in case.arch:
        # Two maps of one stride: RoIs are taken from the first, whatever their size.
        pool.scales, pool.map_levels = [1 / 32, 1 / 32], initLevelMapper(5, 5)
    return model


def run(model, image, finest=2):
    """Detections, the tensors of every stage, proposals, the inputs of both NMS calls (RPN, head), and the resized
    picture's size."""
    stages, suppressions = {}, []

    def keep(name):
        def hook(_module, _inputs, output):
            stages[name] = output

        return hook

    watched = {
        "transform": model.transform,
        "body": model.backbone.body,
        "backbone": model.backbone,
        "rpn": model.rpn,
        "rpn_head": model.rpn.head,
        "roi_features": model.roi_heads.box_roi_pool,
        "box_features": model.roi_heads.box_head,
        "predictor": model.roi_heads.box_predictor,
    }
    handles = [module.register_forward_hook(keep(name)) for name, module in watched.items()]

    def per_class_nms(boxes, scores, idxs, iou_threshold):
        suppressions.append((boxes, scores, idxs, iou_threshold))
        return box_ops._batched_nms_vanilla(boxes, scores, idxs, iou_threshold)

    original, box_ops.batched_nms = box_ops.batched_nms, per_class_nms
    try:
        detections = model([image])[0]
    finally:
        box_ops.batched_nms = original
        for handle in handles:
            handle.remove()

    images = stages["transform"][0]
    tensors = {"image": images.tensors}
    tensors |= {f"c{i + finest}": t for i, t in enumerate(stages["body"].values())}
    tensors |= {f"p{i + finest}": t for i, t in enumerate(stages["backbone"].values())}
    logits, deltas = stages["rpn_head"]
    tensors |= {f"rpn.logits.{i + finest}": t for i, t in enumerate(logits)}
    tensors |= {f"rpn.deltas.{i + finest}": t for i, t in enumerate(deltas)}
    tensors["roi_features"] = stages["roi_features"]
    tensors["box_features"] = stages["box_features"]
    tensors["class_logits"], tensors["box_deltas"] = stages["predictor"]
    return detections, tensors, stages["rpn"][0][0], suppressions, images.image_sizes[0]


def nms_margin(boxes, scores, groups, threshold):
    """The distance to the threshold of the nearest decision: of each box's greatest IoU with a better kept one."""
    smallest = math.inf
    for group in torch.unique(groups):
        mine = torch.where(groups == group)[0]
        mine = mine[scores[mine].argsort(descending=True, stable=True)]
        if len(mine) < 2:
            continue
        kept = box_ops.nms(boxes[mine], scores[mine], threshold)
        iou = box_ops.box_iou(boxes[mine[kept]], boxes[mine])
        better = kept[:, None] < torch.arange(len(mine))[None]
        best = (iou * better).max(dim=0).values
        smallest = min(smallest, float((best - threshold).abs().min()))
    return smallest


def cut_margin(scores, count):
    """The gap at the cut after the best `count` of some scores."""
    if len(scores) <= count:
        return math.inf
    best = scores.sort(descending=True).values
    return float(best[count - 1] - best[count])


def margins(model, tensors, proposals, suppressions):
    (rpn_boxes, rpn_scores, rpn_levels, rpn_threshold), (boxes, scores, labels, threshold) = suppressions
    heads = model.roi_heads
    probabilities = tensors["class_logits"].softmax(dim=1)[:, 1:]
    width, height = (proposals[:, 2:] - proposals[:, :2]).unbind(1)
    levels = heads.box_roi_pool.map_levels
    level = 4 + torch.log2(torch.sqrt(width * height) / 224) + 1e-6
    level = level[(level > levels.k_min + 0.5) & (level < levels.k_max + 0.5)]
    rpn_kept = box_ops._batched_nms_vanilla(rpn_boxes, rpn_scores, rpn_levels, rpn_threshold)
    kept = box_ops._batched_nms_vanilla(boxes, scores, labels, threshold)
    logits = [t.flatten() for name, t in tensors.items() if name.startswith("rpn.logits.")]
    cuts = [cut_margin(level, model.rpn.pre_nms_top_n()) for level in logits]
    least = model.rpn.score_thresh
    return {
        # The head: these must hold.
        "margin.score": float((probabilities - heads.score_thresh).abs().min()),
        "margin.nms": nms_margin(boxes, scores, labels, threshold),
        "margin.top": cut_margin(scores[kept], heads.detections_per_img),
        "margin.level": float((level - level.round()).abs().min()) if len(level) else math.inf,
        # The RPN: with thousands of boxes some decision is always near; what it does to detections is tested
        # by `unstable`.
        "margin.rpn_nms": nms_margin(rpn_boxes, rpn_scores, rpn_levels, rpn_threshold),
        "margin.rpn_level_top": min(cuts),
        "margin.rpn_top": cut_margin(rpn_scores[rpn_kept], model.rpn.post_nms_top_n()),
    } | ({"margin.rpn_score": float((torch.cat(logits).sigmoid() - least).abs().min())} if least > 0 else {})


def unmatched(a, b, box_tolerance=0.02, score_tolerance=2e-4):
    """How many detections of `a` and `b` have no partner in the other."""
    if len(a["scores"]) == 0 or len(b["scores"]) == 0:
        return len(a["scores"]) + len(b["scores"])
    near = (a["boxes"].double()[:, None] - b["boxes"].double()[None]).abs().amax(dim=2) < box_tolerance
    near &= (a["scores"].double()[:, None] - b["scores"].double()[None]).abs() < score_tolerance
    near &= a["labels"][:, None] == b["labels"][None]
    return int((~near.any(dim=1)).sum() + (~near.any(dim=0)).sum())


def perturbed(run, model, image, seed):
    """What `run` finds when the input changes by 1e-6 of itself, and when it computes in f64."""
    for i in range(3):
        noise = generator.values(seed, f"perturbation.{i}", tuple(image.shape))
        yield run(model, image * (1 + 1e-6 * torch.from_numpy(noise)))[0]
    yield run(model.double(), image.double())[0]
    model.float()


def picture(case):
    """A case's picture as torchvision's models take it."""
    pixels = generator.picture(case.seed, case.height, case.width)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def generate(case, folder):
    if case.model in published.PARAMETERS:
        published.check(case.model, construct)
    model = build(case)
    image = picture(case)
    detections, tensors, proposals, suppressions, resized = run(model, image, case.finest)
    for i, scale in enumerate(model.roi_heads.box_roi_pool.scales):
        assert tensors["image"].shape[-1] * scale == tensors[f"p{case.finest + i}"].shape[-1]
    margin = margins(model, tensors, proposals, suppressions)
    moved = sum(unmatched(detections, other) for other in perturbed(run, model, image, case.seed))
    scores, sides = detections["scores"], (proposals[:, 2:] - proposals[:, :2]).prod(dim=1).sqrt()
    on = model.roi_heads.box_roi_pool.map_levels
    levels = torch.floor(4 + torch.log2(sides / 224) + 1e-6).clamp(on.k_min, on.k_max).long()
    levels = levels.bincount(minlength=6)[2:].tolist()
    print(
        f"{case.name}: {case.height}x{case.width} -> {tuple(resized)}, {len(proposals)} RoIs on levels {levels}, "
        f"{len(scores)} detections of {len(set(detections['labels'].tolist()))} classes, "
        f"scores {[round(float(s), 3) for s in scores[[0, len(scores) // 2, -1]]] if len(scores) else []}, "
        f"unstable {moved}, " + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    weak = [k for k in ("score", "nms", "top", "level") if margin[f"margin.{k}"] < MARGIN]
    if weak or moved:
        raise SystemExit(f"{case.name} is fragile ({weak}, {moved} unmatched): choose another picture size")

    out = {
        "boxes": detections["boxes"].numpy(),
        "scores": scores.numpy(),
        "labels": detections["labels"].numpy(),
        "proposals": proposals.numpy(),
    }
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(tensors)
    name = {"arch": case.arch} if re.fullmatch(r"resnet\d+", case.arch) else {"model": case.model}
    rpn = model.rpn
    if "model" in name:
        name |= {"level_limit": rpn.pre_nms_top_n(), "proposals": rpn.post_nms_top_n(), "least_score": rpn.score_thresh}
    metadata = name | {
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "num_classes": case.num_classes,
        "min_size": case.min_size,
        "max_size": case.max_size,
        "bn_eps": repr(case.bn_eps),
        "resized_height": resized[0],
        "resized_width": resized[1],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", out, metadata)
