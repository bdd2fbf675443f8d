"""Goldens of one training step of detectron2's Faster R-CNN, of EFPN, and of EFPN's feature texture transfer.

`train_step_detectron2` and `train_step_efpn` hold what `train_steps.py` says. `train_step_ftt` is EFPN's
foreground-background-balanced loss over the pictures of `train_step_efpn`: `loss_everywhere` and `loss_foreground`
(without its factor, which is 1 here), the sums over both pairs of maps; gradients are of their sum, and only the
transfer's parameters have any. It has `objects.<picture>` and `labels.<picture>` of its own.

Pictures are not resized; each is padded right and below to the size of both. Proposals are of the picture's own size.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torchvision.ops import box_iou

import detectron2
import generator
import train_steps

LEVEL_MOST = 2000
WEIGHTS = (10, 10, 5, 5)


@dataclass
class Case:
    name: str
    model: detectron2.Case
    sizes: list
    objects: list  # (boxes, labels) of each picture
    parameters: list
    anchors: int = 64
    rois: int = 64

    def metadata(self):
        model = self.model
        return {
            "model": model.model,
            "depth": model.depth,
            "seed": model.seed,
            "num_classes": model.classes + 1,
            "bn_eps": repr(1e-5),
            "stride_in": model.stride_in,
            "strides": model.strides,
            "ftt": model.ftt,
            "pixel_std": " ".join(str(std) for std in model.std),
            "sizes": train_steps.sizes_text(self.sizes),
            "anchors": self.anchors,
            "rois": self.rois,
        }

    def targets(self, dtype=torch.float64):
        boxes, labels = zip(*self.objects)
        return [torch.tensor(b, dtype=dtype) for b in boxes], [torch.tensor(l) for l in labels]


HEADS = [
    "proposal_generator.rpn_head.conv.weight",
    "proposal_generator.rpn_head.objectness_logits.weight",
    "proposal_generator.rpn_head.objectness_logits.bias",
    "proposal_generator.rpn_head.anchor_deltas.weight",
    "roi_heads.box_head.fc1.weight",
    "roi_heads.box_head.fc2.bias",
    "roi_heads.box_predictor.cls_score.weight",
    "roi_heads.box_predictor.bbox_pred.weight",
    "roi_heads.box_predictor.bbox_pred.bias",
]

DETECTRON2 = Case(
    "train_step_detectron2",
    detectron2.Case(21, "detectron2_faster_rcnn_fpn", "50", 0, 0, 0, 0, classes=20),
    [(150, 186), (160, 146)],
    [
        ([[10.0, 14.5, 70.25, 61.0], [30.0, 4.0, 183.5, 147.0], [101.5, 70.0, 138.0, 108.75]], [3, 17, 3]),
        ([[2.0, 5.0, 143.0, 156.0], [30.25, 40.0, 121.0, 106.0]], [20, 1]),
    ],
    [
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.bottom_up.res2.0.shortcut.weight",
        "backbone.bottom_up.res3.0.conv1.weight",
        "backbone.bottom_up.res4.5.conv2.weight",
        "backbone.bottom_up.res5.2.conv3.weight",
        "backbone.fpn_lateral2.weight",
        "backbone.fpn_lateral5.bias",
        "backbone.fpn_output4.weight",
        "backbone.fpn_output2.bias",
        *HEADS,
    ],
)

FTT = [
    "backbone.ftt.channel_scaler.weight",
    "backbone.ftt.content_extractor.conv1.weight",
    "backbone.ftt.content_extractor.conv2.weight",
    "backbone.ftt.texture_extractor.conv1.weight",
    "backbone.ftt.texture_extractor.conv2.weight",
    "backbone.ftt.texture_extractor.conv3.weight",
]

EFPN = Case(
    "train_step_efpn",
    replace(next(case for case in detectron2.CASES if case.ftt == "conv1x1"), seed=27, classes=20, strides="true"),
    [(60, 128), (64, 60)],
    [
        ([[7.0, 9.5, 40.25, 38.0], [20.0, 3.0, 125.5, 57.0], [61.5, 30.0, 80.0, 51.75]], [3, 17, 3]),
        ([[2.0, 5.0, 57.0, 63.0], [10.25, 14.0, 47.0, 37.0]], [20, 1]),
    ],
    [
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.bottom_up.res2.0.shortcut.weight",
        "backbone.bottom_up.res3.0.conv1.weight",
        "backbone.bottom_up.res4.3.conv2.weight",
        "backbone.bottom_up.res6.2.conv3.weight",
        "backbone.fpn_lateral2.weight",
        "backbone.fpn_lateral6.bias",
        "backbone.fpn_output3.weight",
        "backbone.fpn_output4.bias",
        *FTT,
        *HEADS,
    ],
)

CASES = [DETECTRON2, EFPN]

# With objects that leave some of the pictures to the background.
TRANSFER = replace(
    EFPN,
    name="train_step_ftt",
    objects=[
        ([[7.0, 9.5, 40.25, 38.0], [61.5, 30.0, 80.0, 51.75], [32.0, 24.0, 56.0, 60.0]], [3, 17, 3]),
        ([[10.25, 14.0, 47.0, 37.0]], [1]),
    ],
    parameters=FTT,
)


def build(case):
    return detectron2.build(case.model)


def prepared(case, model):
    """[pictures, 3, H, W], padded with zeros to one size."""
    images = []
    for i, (height, width) in enumerate(case.sizes):
        one = replace(case.model, height=height, width=width, min_size=min(height, width), max_size=1 << 20)
        image, resized = model.prepare(generator.picture(one.seed + i, height, width), one)
        assert resized == (height, width), "pictures keep their size"
        images.append(image)
    height, width = (max(image.shape[axis] for image in images) for axis in (2, 3))
    return torch.cat([F.pad(image, (0, width - image.shape[3], 0, height - image.shape[2])) for image in images])


def rpn_maps(model, image):
    """The five levels, and logits and deltas of each."""
    levels = list(model.backbone(image)[1].values())[:5]
    return levels, *zip(*(model.proposal_generator.rpn_head(level) for level in levels))


def pick(case, model, image):
    """The proposals of each picture, and what is picked of anchors and RoIs."""
    _, logits, deltas = rpn_maps(model, image)
    all_anchors = anchors_of(model, logits)
    proposals, picked = [], train_steps.Picked()
    for i, objects in enumerate(case.targets()[0]):
        own = ([map[i : i + 1] for map in maps] for maps in (logits, deltas))
        proposals.append(model.propose(*own, case.sizes[i], LEVEL_MOST)[0])
        indices = torch.arange(len(all_anchors))
        train_steps.pick_anchors(picked, box_iou(objects, all_anchors), indices, case.anchors)
        boxes = torch.cat([proposals[i], objects])
        train_steps.pick_rois(picked, box_iou(objects, boxes), boxes, case.rois)
    return proposals, picked


def anchors_of(model, logits):
    return torch.cat([model.anchors(l.shape[2:], stride).to(l) for l, stride in zip(logits, model.strides)])


def rpn_losses(case, model, logits, deltas, picked):
    all_anchors, pictures = anchors_of(model, logits), len(case.sizes)
    logits = torch.cat([l.permute(0, 2, 3, 1).reshape(pictures, -1) for l in logits], dim=1)
    deltas = torch.cat(
        [d.reshape(pictures, 3, 4, *d.shape[2:]).permute(0, 3, 4, 1, 2).reshape(pictures, -1, 4) for d in deltas], dim=1
    )
    objectness, box = 0, 0
    for i, objects in enumerate(case.targets(logits.dtype)[0]):
        taken, object_of = picked.anchors[i], picked.anchor_objects[i]
        is_object = object_of >= 0
        objectness += F.binary_cross_entropy_with_logits(logits[i, taken], is_object.to(logits), reduction="sum")
        taken = taken[is_object]
        targets = train_steps.encoded(all_anchors[taken], objects[object_of[is_object]])
        box += (deltas[i, taken] - targets).abs().sum()
    return {
        "loss_objectness": objectness / (case.anchors * pictures),
        "loss_rpn_box_reg": box / (case.anchors * pictures),
    }


def roi_losses(case, model, levels, picked):
    rois = [boxes.to(levels[0].dtype) for boxes in picked.rois]
    features = [model.roi_features([level[i : i + 1] for level in levels], boxes) for i, boxes in enumerate(rois)]
    head, predictor = model.roi_heads.box_head, model.roi_heads.box_predictor
    x = F.relu(head.fc2(F.relu(head.fc1(torch.cat(features).flatten(1)))))
    logits, deltas = predictor.cls_score(x), predictor.bbox_pred(x)
    classes, targets = [], []
    for boxes, object_of, objects, labels in zip(rois, picked.roi_objects, *case.targets(logits.dtype)):
        is_object = object_of >= 0
        classes.append(torch.where(is_object, labels[object_of] - 1, case.model.classes))
        targets.append(train_steps.encoded(boxes[is_object], objects[object_of[is_object]], WEIGHTS))
    classes = torch.cat(classes)
    positive = torch.where(classes < case.model.classes)[0]
    own = deltas.reshape(len(deltas), -1, 4)[positive, classes[positive]]
    return {
        "loss_classifier": F.cross_entropy(logits, classes),
        "loss_box_reg": (own - torch.cat(targets)).abs().sum() / len(classes),
    }


def generate(case, folder):
    model = build(case).double()
    image = prepared(case, model)
    proposals, picked = pick(case, model, image.double())
    out = train_steps.kept(case.name, *case.targets(), proposals, picked)
    finest = int(math.log2(model.strides[0]))
    for i, rois in enumerate(picked.rois):
        level = 4 + torch.log2((rois[:, 2:] - rois[:, :2]).prod(dim=1).sqrt() / 224 + 1e-8)
        within = level[(level > finest + 0.5) & (level < finest + 3.5)]
        train_steps.refuse_near(f"{case.name}: levels", (within - within.round()).abs())
        spread = (level.floor().clamp(finest, finest + 3).long() - finest).bincount(minlength=4).tolist()
        print(f"{case.name} {i}: RoIs on levels {spread}")
        if sum(count > 0 for count in spread) < 2:
            raise SystemExit(f"{case.name}: all RoIs are on one level")

    def losses_of(model, image):
        levels, logits, deltas = rpn_maps(model, image)
        return rpn_losses(case, model, logits, deltas, picked) | roi_losses(case, model, levels, picked)

    losses, gradients = train_steps.step(case.name, case.model.seed, model, losses_of, image, case.parameters)
    train_steps.save(case.name, folder, out, losses, gradients, case.metadata())


def foreground(boxes, stride, size):
    """[H, W]: 1 in a map's cells within any box."""
    mask = torch.zeros(size, dtype=boxes.dtype)
    for x1, y1, x2, y2 in boxes.tolist():
        left, top, right, bottom = x1 // stride, y1 // stride, -(-x2 // stride), -(-y2 // stride)
        mask[max(int(top), 0) : int(bottom), max(int(left), 0) : int(right)] = 1
    return mask


def ftt_losses(case, model, image):
    """The plain pyramid of the pictures teaches the transfer on the pictures halved."""
    backbone = model.backbone
    with torch.no_grad():
        taught = backbone(image)[1]
        maps, levels = backbone(F.avg_pool2d(image, 2))
        lateral = backbone.fpn_lateral2(maps[2])
    textured = backbone.ftt(levels[4], levels[3])
    finest = F.interpolate(textured, scale_factor=2, mode="nearest") + lateral
    everywhere, within = 0, 0
    for student, level in ((textured, 4), (finest, 3)):
        apart = (student - taught[level]).abs()
        masks = [foreground(boxes, model.strides[level - 2], apart.shape[2:]) for boxes in case.targets(apart.dtype)[0]]
        mask = torch.stack(masks)[:, None].expand_as(apart)
        everywhere += apart.mean()
        within += (mask * apart).sum() / mask.sum() if mask.any() else 0
    return {"loss_everywhere": everywhere, "loss_foreground": within}


def generate_ftt(folder):
    case = TRANSFER
    model = build(case).double()
    model.requires_grad_(False).backbone.ftt.requires_grad_(True)
    image = prepared(case, model)
    out = {}
    for i, (boxes, labels) in enumerate(zip(*case.targets())):
        out[f"objects.{i}"], out[f"labels.{i}"] = boxes, labels
        cells = [int(foreground(boxes, s, [side // s for side in image.shape[2:]]).sum()) for s in (8, 4)]
        print(f"{case.name} {i}: {cells} cells of the teacher's P4 and P3 are objects")

    def losses_of(model, image):
        return ftt_losses(case, model, image)

    losses, gradients = train_steps.step(case.name, case.model.seed, model, losses_of, image, case.parameters)
    metadata = {key: value for key, value in case.metadata().items() if key not in ("anchors", "rois")}
    train_steps.save(case.name, folder, out, losses, gradients, metadata | {"ftt_lambda": 1})
