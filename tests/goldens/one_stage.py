"""Goldens of torchvision's one-stage detectors, RetinaNet and FCOS: its own models with generated weights.

NMS is set to run class by class, not on boxes shifted by class.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models import detection
from torchvision.ops import boxes as box_ops

import faster_rcnn
import generator
import published

FINEST = 3
STRIDES = (8, 16, 32, 64, 128)


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
    cuts: bool = False  # of a level, more than are taken would be found

    @property
    def name(self):
        return f"{self.model}_s{self.seed}"


CASES = [
    Case(1, "retinanet_resnet50_fpn", 120, 173, 91, 128, 373, 0.0),
    Case(7, "retinanet_resnet50_fpn", 517, 606, 2, 800, 1333, 0.0),  # torchvision's full size
    Case(9, "retinanet_resnet50_fpn", 189, 133, 5, 224, 373, 1e-5),  # portrait
    Case(3, "retinanet_resnet50_fpn_v2", 237, 181, 3, 320, 533, 1e-5, cuts=True),
    Case(8, "retinanet_resnet50_fpn_v2", 150, 200, 91, 160, 373, 1e-5),
    Case(3, "fcos_resnet50_fpn", 160, 121, 21, 224, 373, 1e-5),
    Case(5, "fcos_resnet50_fpn", 97, 160, 91, 320, 533, 1e-5),
    Case(6, "fcos_resnet50_fpn", 150, 200, 3, 224, 373, 1e-5),
]


def construct(name, num_classes=91, **sizes):
    """torchvision's model of this name."""
    return getattr(detection, name)(weights=None, weights_backbone=None, num_classes=num_classes, **sizes)


def build(case):
    model = construct(case.model, case.num_classes, min_size=case.min_size, max_size=case.max_size)
    if case.model.startswith("fcos"):
        return faster_rcnn.fill(model, case, gains=generator.FCOS_GAINS, biases=generator.FCOS_BIASES)
    return faster_rcnn.fill(model, case)


def candidates(model, scores):
    """How many of each level's (place, class) pairs are good enough, and how many of these are taken."""
    good = [int((level > model.score_thresh).sum()) for level in scores]
    return good, [min(count, model.topk_candidates) for count in good]


def run(model, image):
    """Detections with their levels, the tensors of every stage, the scores of each level, what NMS was given and what
    it kept, and the resized picture's size."""
    stages, maps, suppressions = {}, {}, []

    def keep(name):
        def hook(_module, _inputs, output):
            stages[name] = output

        return hook

    def collect(name):
        def hook(_module, _inputs, output):
            maps.setdefault(name, []).append(output)

        return hook

    heads = {
        "class": model.head.classification_head.cls_logits,
        "box": model.head.regression_head.bbox_reg,
    }
    if hasattr(model.head.regression_head, "bbox_ctrness"):
        heads["centreness"] = model.head.regression_head.bbox_ctrness
    watched = {"transform": model.transform, "body": model.backbone.body, "backbone": model.backbone}
    handles = [module.register_forward_hook(keep(name)) for name, module in watched.items()]
    handles += [module.register_forward_hook(collect(name)) for name, module in heads.items()]

    def per_class_nms(boxes, scores, idxs, iou_threshold):
        # Indices of the kept, best first.
        kept = box_ops._batched_nms_vanilla(boxes, scores, idxs, iou_threshold)
        suppressions.append((boxes, scores, idxs, iou_threshold, kept))
        return kept

    original, box_ops.batched_nms = box_ops.batched_nms, per_class_nms
    try:
        detections = model([image])[0]
    finally:
        box_ops.batched_nms = original
        for handle in handles:
            handle.remove()

    images = stages["transform"][0]
    tensors = {"image": images.tensors}
    tensors |= {f"c{i + FINEST}": t for i, t in enumerate(stages["body"].values())}
    tensors |= {f"p{i + FINEST}": t for i, t in enumerate(stages["backbone"].values())}
    scores = [level.sigmoid() for level in maps["class"]]
    if "centreness" in maps:
        maps["box"] = [F.relu(level) for level in maps["box"]]
        scores = [(s * c.sigmoid()).sqrt() for s, c in zip(scores, maps["centreness"])]
    for name, levels in maps.items():
        tensors |= {f"{name}.{i + FINEST}": t for i, t in enumerate(levels)}
    (suppression,) = suppressions
    ends = torch.tensor(candidates(model, scores)[1]).cumsum(0)
    kept = suppression[-1][: model.detections_per_img]
    detections["levels"] = FINEST + torch.searchsorted(ends, kept, right=True)
    return detections, tensors, scores, suppression, images.image_sizes[0]


def margins(model, scores, suppression):
    """How near the nearest decisions were; of those that a better 100 or 300 leave without effect, none counts."""
    boxes, nms_scores, labels, threshold, kept = suppression
    limit = model.detections_per_img
    is_full = len(kept) > limit
    matters = nms_scores >= (nms_scores[kept[limit - 1]] if is_full else 0)
    good, taken = candidates(model, scores)
    whole = [level for level, g, t in zip(scores, good, taken) if g == t]
    cuts = [faster_rcnn.cut_margin(level.flatten(), t) for level, g, t in zip(scores, good, taken) if g > t]
    near = min((float((level - model.score_thresh).abs().min()) for level in whole), default=math.inf)
    return {
        "margin.score": math.inf if is_full else near,
        "margin.level_top": math.inf if is_full else min(cuts, default=math.inf),
        "margin.nms": faster_rcnn.nms_margin(boxes[matters], nms_scores[matters], labels[matters], threshold),
        "margin.top": faster_rcnn.cut_margin(nms_scores[kept], limit),
    }


def check_facts(case, model, tensors):
    """What the architectures' description says of the head, and depends on torchvision's defaults."""
    anchors = model.anchor_generator
    if case.model.startswith("fcos"):
        assert [a.tolist() for a in anchors.cell_anchors] == [[[-s / 2, -s / 2, s / 2, s / 2]] for s in STRIDES]
        expected = (0.2, 0.6, 100, 1000)
    else:
        assert anchors.sizes == tuple((4 * s, int(4 * s * 2 ** (1 / 3)), int(4 * s * 2 ** (2 / 3))) for s in STRIDES)
        assert model.box_coder.weights == (1.0, 1.0, 1.0, 1.0)
        expected = (0.05, 0.5, 300, 1000)
    found = (model.score_thresh, model.nms_thresh, model.detections_per_img, model.topk_candidates)
    assert found == expected
    # P6 is of P5 or of C5, and is handed to the heads as it is; only P7 is of its positive part.
    p6, p7 = model.backbone.fpn.extra_blocks.p6, model.backbone.fpn.extra_blocks.p7
    assert torch.equal(tensors["p6"], p6(tensors["c5" if case.model.endswith("_v2") else "p5"]))
    assert torch.equal(tensors["p7"], p7(tensors["p6"].relu()))
    norms = [m for m in model.head.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert len(norms) == (0 if case.model == "retinanet_resnet50_fpn" else 8)
    assert all(norm.num_groups == 32 and norm.eps == 1e-5 for norm in norms)


def generate(case, folder):
    published.check(case.model, construct)
    model = build(case)
    image = faster_rcnn.picture(case)
    detections, tensors, scores, suppression, resized = run(model, image)
    check_facts(case, model, tensors)
    margin = margins(model, scores, suppression)
    others = faster_rcnn.perturbed(run, model, image, case.seed)
    moved = sum(faster_rcnn.unmatched(detections, other) for other in others)
    good, taken = candidates(model, scores)
    best = detections["scores"]
    empty = (detections["boxes"][:, 2:] <= detections["boxes"][:, :2]).any(dim=1)
    print(
        f"{case.name}: {case.height}x{case.width} -> {tuple(resized)}, candidates {good}, "
        f"{len(suppression[-1])} left by NMS, {len(best)} detections of {len(set(detections['labels'].tolist()))} classes on levels "
        f"{detections['levels'].bincount(minlength=8)[FINEST:].tolist()}, {int(empty.sum())} of them empty, "
        f"scores {[round(float(s), 3) for s in best[[0, len(best) // 2, -1]]] if len(best) else []}, unstable {moved}, "
        + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    weak = [k for k, v in margin.items() if v < faster_rcnn.MARGIN]
    if weak or moved:
        raise SystemExit(f"{case.name} is fragile ({weak}, {moved} unmatched): choose another picture size")
    if case.cuts:
        model.topk_candidates = max(good)
        if good == taken or not faster_rcnn.unmatched(detections, run(model, image)[0]):
            raise SystemExit(f"{case.name}: which of a level's scores are taken does not matter")
        model.topk_candidates = max(taken)

    out = {name: detections[name].numpy() for name in ("boxes", "scores", "labels", "levels")}
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(tensors)
    metadata = {
        "model": case.model,
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "num_classes": case.num_classes,
        "min_size": case.min_size,
        "max_size": case.max_size,
        "bn_eps": repr(case.bn_eps),
        "resized_height": resized[0],
        "resized_width": resized[1],
        "score_threshold": model.score_thresh,
        "nms_threshold": model.nms_thresh,
        "limit": model.detections_per_img,
        "level_limit": model.topk_candidates,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", out, metadata)
