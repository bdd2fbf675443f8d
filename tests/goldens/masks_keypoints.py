"""Goldens of torchvision's Mask R-CNN and Keypoint R-CNN: its own models with generated weights.

What `faster_rcnn.py` sets is set here, too, and the scales of the RoIs that masks and keypoints are taken from.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.detection.roi_heads import expand_boxes
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops.poolers import initLevelMapper

import faster_rcnn
import generator
import published

# A mask's box is cut to whole pixels, a heat map's sides are rounded up to them: no side may be nearer to one.
WHOLE_MARGIN = 1e-3

# By how much the best of a heat map's values is to be better than the next.
KEYPOINT_MARGIN = 1e-4

# A mask's pixels nearer than this to the threshold may be of either kind.
NEAR = 1e-3


@dataclass
class Case:
    seed: int
    model: str
    height: int
    width: int
    num_classes: int
    min_size: int
    max_size: int
    bn_eps: float
    limit: int  # detections, fewer than usual, so that files are small and tests quick

    @property
    def name(self):
        return f"{self.model}_s{self.seed}"


CASES = [
    Case(3, "maskrcnn_resnet50_fpn", 150, 203, 91, 224, 373, 0.0, limit=20),
    Case(6, "maskrcnn_resnet50_fpn", 187, 133, 3, 320, 533, 1e-5, limit=16),  # portrait
    Case(3, "maskrcnn_resnet50_fpn_v2", 150, 200, 21, 320, 533, 1e-5, limit=20),
    Case(3, "keypointrcnn_resnet50_fpn", 150, 200, 2, 256, 427, 1e-5, limit=20),
    Case(6, "keypointrcnn_resnet50_fpn", 187, 133, 2, 320, 533, 0.0, limit=12),
]


def construct(name, **options):
    """torchvision's model of this name, of as many classes as usual."""
    return faster_rcnn.construct(name, **{"num_classes": 2 if name.startswith("keypoint") else 91} | options)


def build(case):
    model = construct(
        case.model,
        num_classes=case.num_classes,
        min_size=case.min_size,
        max_size=case.max_size,
        box_detections_per_img=case.limit,
    )
    heads = model.roi_heads
    for pool in (heads.box_roi_pool, heads.mask_roi_pool, heads.keypoint_roi_pool):
        if pool is not None:
            pool.scales, pool.map_levels = [1 / 4, 1 / 8, 1 / 16, 1 / 32], initLevelMapper(2, 5)
    return faster_rcnn.fill(model, case)


def run(model, image):
    """As `faster_rcnn.run`, with the stages of masks or keypoints, and detections' boxes in the resized picture's
    coordinates as `resized_boxes`."""
    stages = {}

    def keep(name):
        def hook(_module, _inputs, output):
            stages[name] = output

        return hook

    heads = model.roi_heads
    kind = "mask" if heads.has_mask() else "keypoint"
    watched = {
        f"{kind}_features": getattr(heads, f"{kind}_roi_pool"),
        f"{kind}_logits": getattr(heads, f"{kind}_predictor"),
    }
    handles = [module.register_forward_hook(keep(name)) for name, module in watched.items()]

    # The boxes are replaced in place later.
    def keep_boxes(_module, inputs):
        stages["boxes"] = inputs[1][0]

    handles.append(getattr(heads, f"{kind}_roi_pool").register_forward_pre_hook(keep_boxes))
    try:
        detections, tensors, *rest = faster_rcnn.run(model, image)
    finally:
        for handle in handles:
            handle.remove()
    detections["resized_boxes"] = stages.pop("boxes")
    return detections, tensors | stages, *rest


def to_whole(values):
    """How near the nearest of some values is to a whole number."""
    return float((values - values.round()).abs().min())


def mask_results(model, detections, tensors, size):
    """Each mask's probabilities, its pixels in the picture, and margins."""
    labels, masks = detections["labels"], detections["masks"][:, 0]
    probabilities = tensors["mask_logits"][torch.arange(len(labels)), labels].sigmoid()
    side = probabilities.shape[-1]
    expanded = expand_boxes(detections["boxes"], (side + 2) / side)
    assert torch.equal(masks, torch.stack([paste(*each, size) for each in zip(probabilities, expanded)]))
    out = {"mask_probabilities": probabilities.numpy(), "masks": np.packbits((masks >= 0.5).flatten(1).numpy(), axis=1)}
    near = int(((masks - 0.5).abs() < NEAR).sum())
    return out, {"margin.mask_box": to_whole(expanded)}, {"near_pixels": near, "near": NEAR}


def paste(mask, box, size):
    """What torchvision pastes, written down: the mask in a frame of one zero, in whole pixels of its expanded box."""
    left, top, right, bottom = (int(side) for side in box)
    shape = max(bottom - top + 1, 1), max(right - left + 1, 1)
    mask = F.interpolate(F.pad(mask, (1, 1, 1, 1))[None, None], size=shape, mode="bilinear", align_corners=False)[0, 0]
    out = torch.zeros(size, dtype=mask.dtype)
    rows, columns = slice(max(top, 0), min(bottom + 1, size[0])), slice(max(left, 0), min(right + 1, size[1]))
    out[rows, columns] = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return out


def keypoint_results(model, detections, tensors, resized, size):
    """Keypoints with their scores, and margins."""
    boxes = detections["resized_boxes"]
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    best, found = [], []
    for maps, box, (width, height) in zip(tensors["keypoint_logits"], boxes, sides):
        shape = math.ceil(height), math.ceil(width)
        maps = F.interpolate(maps[None], size=shape, mode="bicubic", align_corners=False)[0].flatten(1)
        best.append(maps.topk(min(2, maps.shape[1])).values)
        place = maps.argmax(dim=1)
        x, y = (place % shape[1] + 0.5) * (width / shape[1]), (place // shape[1] + 0.5) * (height / shape[0])
        found.append(torch.stack([x + box[0], y + box[1]], dim=1))
    ratio = torch.tensor([size[1] / resized[1], size[0] / resized[0]], dtype=torch.float32)
    assert torch.allclose(torch.stack(found) * ratio, detections["keypoints"][..., :2], atol=1e-4)
    out = {name: detections[name].numpy() for name in ("keypoints", "keypoints_scores")}
    gaps = [values[:, 0] - values[:, 1] for values in best if values.shape[1] == 2]
    margin = {
        "margin.keypoint_size": to_whole(sides[sides > 1]),
        "margin.keypoint": float(torch.cat(gaps).min()),
    }
    return out, margin, {}


def moved(detections, other):
    """How many of the keypoints are elsewhere, or of the masks' pixels of the other kind."""
    if "masks" in detections:
        return int(((detections["masks"] >= 0.5) != (other["masks"] >= 0.5)).sum())
    return int(((detections["keypoints"] - other["keypoints"]).abs() > 0.02).any(dim=-1).sum())


def generate(case, folder):
    published.check(case.model, construct)
    model = build(case)
    image = faster_rcnn.picture(case)
    detections, tensors, proposals, suppressions, resized = run(model, image)
    resized, size = tuple(resized), tuple(image.shape[1:])
    boxes = detections["resized_boxes"]
    assert torch.equal(resize_boxes(boxes, resized, size), detections["boxes"])
    margin = faster_rcnn.margins(model, tensors, proposals, suppressions)
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
    level = 4 + torch.log2(sides / 224) + 1e-6
    between = level[(level > 2.5) & (level < 5.5)]
    margin["margin.final_level"] = float((between - between.round()).abs().min()) if len(between) else math.inf
    if model.roi_heads.has_mask():
        results, more, told = mask_results(model, detections, tensors, size)
    else:
        results, more, told = keypoint_results(model, detections, tensors, resized, size)
    margin |= more

    unmatched, elsewhere = 0, 0
    for other in faster_rcnn.perturbed(run, model, image, case.seed):
        unmatched += faster_rcnn.unmatched(detections, other)
        if len(other["scores"]) == len(detections["scores"]):
            elsewhere = max(elsewhere, moved(detections, other))
    scores = detections["scores"]
    print(
        f"{case.name}: {case.height}x{case.width} -> {resized}, "
        f"{len(scores)} detections of {len(set(detections['labels'].tolist()))} classes on levels "
        f"{level.floor().clamp(2, 5).long().bincount(minlength=6)[2:].tolist()}, "
        f"scores {[round(float(s), 3) for s in scores[[0, len(scores) // 2, -1]]]}, unstable {unmatched}, "
        f"pixels or keypoints elsewhere {elsewhere}, {told}, "
        + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    least = {"mask_box": WHOLE_MARGIN, "keypoint_size": WHOLE_MARGIN, "keypoint": KEYPOINT_MARGIN}
    kinds = ("score", "nms", "top", "level", "final_level", "mask_box", "keypoint_size", "keypoint")
    weak = [k for k in kinds if margin.get(f"margin.{k}", math.inf) < least.get(k, faster_rcnn.MARGIN)]
    if weak or unmatched or elsewhere > told.get("near_pixels", 0):
        raise SystemExit(f"{case.name} is fragile ({weak}, {unmatched} unmatched): choose another picture size")

    out = {name: detections[name].numpy() for name in ("boxes", "scores", "labels", "resized_boxes")}
    out |= {"proposals": proposals.numpy()} | results
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(tensors)
    metadata = told | {
        "model": case.model,
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "num_classes": case.num_classes,
        "min_size": case.min_size,
        "max_size": case.max_size,
        "bn_eps": repr(case.bn_eps),
        "limit": case.limit,
        "resized_height": resized[0],
        "resized_width": resized[1],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", out, metadata)
