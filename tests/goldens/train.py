"""Goldens of training, from torchvision's own parts and from one step of its own model.

`train` holds single parts; inputs that are not in the file are `generator.values(11, NAME, shape)`:

- `roi.<case>.output`, `roi.<case>.gradient.<level>`: RoIAlign over the maps `roi.p2`..`roi.p5` of two pictures
  (shapes `roi.shapes`), boxes `roi.boxes` with `roi.counts` for each picture, 32 pixels belonging to P4; the gradient
  is of the sum of the output times `roi.<case>.weights`.
- `anchors.*`, `proposals.*`: what `Matcher` makes of `boxes` and `objects` (-1 background, -2 ignored).
- `encode.*`: `BoxCoder.encode` of `to` seen from `from`.
- `bce.*`, `cross_entropy.*`, `smooth_l1.*`: inputs, the loss, and its gradient. `smooth_l1.sigma` is the form of Fast
  R-CNN, with sigma 1.7, inside weights (1, 0.5, 2, 0) and outside weights 0.125.

`train_step` is one step of `fasterrcnn_resnet50_fpn`, in f64, over two pictures, of 256x256 and 256x224, with
generated weights. What chance picks is given: the anchors `anchors.<picture>` (with `anchor_objects.<picture>`: the
object's index, or -1) and the RoIs `rois.<picture>` (with `roi_objects.<picture>`). `proposals.<picture>` are the RPN's.
Then the losses, and of each parameter's gradient at most 256 values (`generator.sample`) and its norm. The case is
refused if in f32, or with the input moved by 1e-6 of itself, a gradient changes by more than 5e-4 of its largest value.
"""

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, roi_align
from torchvision.ops import boxes as box_ops
from torchvision.ops.poolers import LevelMapper

import faster_rcnn
import generator

SEED = 11


def values(name, *shape, offset=0.0, scale=1.0):
    return torch.from_numpy(generator.values(SEED, name, shape, offset, scale))


def roi_align_goldens(out):
    # Of no padded size: the maps are as odd as they come.
    shapes = [(31, 25), (16, 13), (9, 7), (4, 3)]
    counts = [9, 7]
    boxes = torch.tensor(
        [
            [3.3, 5.7, 11.9, 12.2],  # P2
            [10.0, 10.0, 30.0, 22.0],  # P3
            [0.0, 0.0, 32.0, 32.0],  # exactly the canonical size: P4
            [12.5, 7.25, 96.0, 118.0],  # P5
            [30.0, 20.0, 30.0, 20.0],  # no area
            [12.0, 6.0, 12.0, 40.0],  # no width
            [-20.0, -12.0, 5.0, 8.0],  # partly outside, above and left
            [200.0, 300.0, 260.0, 370.0],  # outside
            [90.0, 115.0, 140.0, 150.0],  # partly outside, below and right
            [96.0, 120.0, 100.0, 124.0],  # the last cell
            [3.3, 5.7, 11.9, 12.2],  # as the first, in the other picture
            [-60.0, -50.0, -40.0, -30.0],  # outside
            [0.0, 0.0, 100.0, 124.0],  # the whole picture
            [40.1, 50.2, 61.3, 66.4],
            [41.0, 52.0, 62.0, 67.0],  # over the one before
            [20.0, 30.0, 84.0, 46.0],  # the canonical size, long
        ]
    )
    out["roi.shapes"] = torch.tensor(shapes)
    out["roi.counts"], out["roi.boxes"] = torch.tensor(counts), boxes
    rois = torch.cat([torch.tensor([0.0] * counts[0] + [1.0] * counts[1])[:, None], boxes], dim=1)
    levels = LevelMapper(2, 5, canonical_scale=32)([boxes])
    for case, size, aligned, sampling in (
        ("plain.s2", (7, 7), False, 2),
        ("plain.s0", (3, 5), False, 0),
        ("aligned.s0", (3, 5), True, 0),
    ):
        maps = [values(f"roi.p{i + 2}", 2, 3, *shape).requires_grad_() for i, shape in enumerate(shapes)]
        output = torch.zeros(len(boxes), 3, *size)
        for level, x in enumerate(maps):
            mine = levels == level
            scale = 1 / (4 << level)
            output[mine] = roi_align(x, rois[mine], size, spatial_scale=scale, sampling_ratio=sampling, aligned=aligned)
        (output * values(f"roi.{case}.weights", *output.shape)).sum().backward()
        out[f"roi.{case}.output"] = output.detach()
        for level, x in enumerate(maps):
            out[f"roi.{case}.gradient.{level + 2}"] = x.grad


def matching_goldens(out):
    height, width = 64, 96
    maps = [torch.zeros(1, 1, height // s, width // s) for s in (4, 8, 16, 32)] + [torch.zeros(1, 1, 1, 2)]
    make = AnchorGenerator(((16,), (32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 5)
    anchors = make(ImageList(torch.zeros(1, 3, height, width), [(height, width)]), maps)[0]
    objects = torch.tensor(
        [
            [16.0, 16.0, 32.0, 32.0],  # just an anchor
            [10.0, 10.0, 14.0, 14.0],  # between four cells: four anchors overlap it the most
            [50.0, 20.0, 53.0, 22.0],  # tiny
            [40.0, 8.0, 88.0, 60.0],
            [40.0, 8.0, 88.0, 60.0],  # the same again
            [0.0, 0.0, 96.0, 64.0],  # the whole picture
            [60.0, 30.0, 90.0, 41.0],
        ]
    )
    quality = box_iou(objects, anchors)
    matches = Matcher(0.7, 0.3, allow_low_quality_matches=True)(quality)
    best = (quality == quality.max(dim=1).values[:, None]).sum(dim=1)
    kinds = [(matches >= 0).sum(), (matches == -1).sum(), (matches == -2).sum()]
    print(f"anchors: {len(anchors)}, best of each object {best.tolist()}, kinds {[int(k) for k in kinds]}")
    assert best[1] >= 4 and all(kinds)
    out["anchors.boxes"], out["anchors.objects"], out["anchors.matches"] = anchors, objects, matches

    v = values("proposals.boxes", 300, 4, offset=0.5, scale=0.5)
    corner = v[:, :2] * torch.tensor([80.0, 50.0])
    proposals = torch.cat([corner, corner + 2 + v[:, 2:] * 50], dim=1)
    proposals = torch.cat([proposals, objects, objects + torch.tensor([0.0, 0.0, 1.0, 1.0])])
    matches = Matcher(0.5, 0.5, allow_low_quality_matches=False)(box_iou(objects, proposals))
    kinds = [(matches >= 0).sum(), (matches == -1).sum()]
    print(f"proposals: kinds {[int(k) for k in kinds]}")
    assert min(kinds) > 10
    out["proposals.boxes"], out["proposals.matches"] = proposals, matches


def encoding_goldens(out):
    v = values("encode", 2, 50, 4, offset=0.5, scale=0.5)
    start, end = (torch.cat([b[:, :2] * 300, b[:, :2] * 300 + 0.5 + b[:, 2:] * 200], dim=1) for b in v)
    out["encode.from"], out["encode.to"] = start, end
    for name, weights in (("1", (1.0, 1.0, 1.0, 1.0)), ("10", (10.0, 10.0, 5.0, 5.0))):
        out[f"encode.deltas.{name}"] = BoxCoder(weights).encode([end], [start])[0]


def fast_rcnn_smooth_l1(deltas, targets, inside, outside, sigma):
    """The loss as Fast R-CNN publishes it, with weights inside and outside."""
    x = inside * (deltas - targets)
    is_near = (x.abs() < 1 / sigma**2).float()
    return (outside * (is_near * 0.5 * (sigma * x) ** 2 + (1 - is_near) * (x.abs() - 0.5 / sigma**2))).sum()


def loss_goldens(out):
    def keep(name, x, loss):
        loss.backward()
        out[f"{name}.input"], out[f"{name}.loss"] = x.detach(), loss.detach().reshape(1)
        out[f"{name}.gradient"] = x.grad

    x = values("bce.input", 37, scale=4.0)
    x[:8] = torch.tensor([0.0, 100.0, -100.0, 100.0, -100.0, 30.0, -30.0, 0.0])
    targets = (values("bce.targets", 37) > 0.2).float()
    targets[:8] = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    out["bce.targets"] = targets
    x.requires_grad_()
    keep("bce", x, F.binary_cross_entropy_with_logits(x, targets))

    x = values("cross_entropy.input", 19, 5, scale=6.0)
    x[0] = torch.tensor([100.0, -100.0, 0.0, 90.0, 1.0])
    x[1] = 50.0
    labels = ((values("cross_entropy.labels", 19) + 1) * 2.5).long()
    labels[0] = 1
    out["cross_entropy.labels"] = labels
    x.requires_grad_()
    keep("cross_entropy", x, F.cross_entropy(x, labels))

    targets = out["smooth_l1.targets"] = values("smooth_l1.targets", 23, 4)
    for name in ("beta", "sigma"):
        x = targets + values("smooth_l1.difference", 23, 4) ** 3
        x[0] = targets[0]  # no difference
        x[1, :2] = targets[1, :2] + 40.0
        x.requires_grad_()
        if name == "beta":
            loss = F.smooth_l1_loss(x, targets, beta=1 / 9, reduction="sum") / 46
        else:
            inside = torch.tensor([1.0, 0.5, 2.0, 0.0])
            loss = fast_rcnn_smooth_l1(x, targets, inside, 0.125, 1.7)
        keep(f"smooth_l1.{name}", x, loss)


CASE = faster_rcnn.Case(16, "resnet50", 256, 256, 21, 256, 256, 1e-5)
SIZES = [(256, 256), (256, 224)]
OBJECTS = [
    ([[20.0, 30.0, 90.0, 110.0], [120.5, 60.25, 250.0, 240.0], [5.0, 200.0, 40.0, 222.0]], [3, 17, 3]),
    ([[0.0, 0.0, 224.0, 256.0], [100.0, 100.0, 133.0, 140.0]], [20, 1]),
]
ANCHORS, ROIS = 128, 96

PARAMETERS = [
    "backbone.body.conv1.weight",
    "backbone.body.layer1.0.downsample.0.weight",
    "backbone.body.layer2.0.conv1.weight",
    "backbone.body.layer3.5.conv2.weight",
    "backbone.body.layer4.2.conv3.weight",
    "backbone.fpn.inner_blocks.0.weight",
    "backbone.fpn.inner_blocks.3.bias",
    "backbone.fpn.layer_blocks.2.weight",
    "rpn.head.conv.weight",
    "rpn.head.cls_logits.weight",
    "rpn.head.cls_logits.bias",
    "rpn.head.bbox_pred.weight",
    "roi_heads.box_head.fc6.weight",
    "roi_heads.box_head.fc7.bias",
    "roi_heads.box_predictor.cls_score.weight",
    "roi_heads.box_predictor.bbox_pred.weight",
]


class Sampler:
    """Stands in for torchvision's: every k-th of each kind, as many as it would take; what it took is kept."""

    def __init__(self, count, fraction):
        self.count, self.fraction, self.taken = count, fraction, []

    def __call__(self, labels):
        masks = ([], [])
        for of_image in labels:
            foreground, background = torch.where(of_image >= 1)[0], torch.where(of_image == 0)[0]
            positive = min(len(foreground), int(self.count * self.fraction))
            negative = min(len(background), self.count - positive)
            spread = [
                kind[torch.arange(count) * len(kind) // max(count, 1)]
                for kind, count in ((foreground, positive), (background, negative))
            ]
            self.taken.append(torch.cat(spread).sort().values)
            for mask, index in zip(masks, spread):
                mask.append(torch.zeros_like(of_image, dtype=torch.uint8).index_fill_(0, index, 1))
        return masks


def step(case, dtype, noise=None, rois=None):
    """One step: the model, the losses, gradients, and what was decided on the way; `rois` are picked RoIs."""
    model = faster_rcnn.build(case).train().to(dtype)
    images = [
        (torch.from_numpy(generator.picture(case.seed + i, *size)).permute(2, 0, 1).float() / 255).to(dtype)
        for i, size in enumerate(SIZES)
    ]
    if noise is not None:
        moves = [generator.values(case.seed, f"perturbation.{noise}", tuple(image.shape)) for image in images]
        images = [image * (1 + 1e-6 * torch.from_numpy(move)) for image, move in zip(images, moves)]
    targets = [{"boxes": torch.tensor(b, dtype=dtype), "labels": torch.tensor(labels)} for b, labels in OBJECTS]
    kept = {"targets": targets, "anchors": Sampler(ANCHORS, 0.5), "rois": Sampler(ROIS, 0.25)}
    model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler = kept["anchors"], kept["rois"]

    def keep(owner, name):
        original = getattr(owner, name)

        def run(*arguments):
            kept[name] = original(*arguments)
            return kept[name]

        setattr(owner, name, run)

    if rois is not None:
        boxes, objects, labels, deltas = rois
        given = [b.to(dtype) for b in boxes], objects, labels, [d.to(dtype) for d in deltas]
        model.roi_heads.select_training_samples = lambda *_: given

    model.transform.register_forward_hook(lambda _module, _inputs, output: kept.update(transform=output))
    keep(model.rpn, "filter_proposals")
    keep(model.rpn, "assign_targets_to_anchors")
    keep(model.rpn.anchor_generator, "forward")
    keep(model.roi_heads, "select_training_samples")
    original, box_ops.batched_nms = box_ops.batched_nms, box_ops._batched_nms_vanilla
    with torch.enable_grad():
        losses = model(images, targets)
        sum(losses.values()).backward()
    box_ops.batched_nms = original
    gradients = {faster_rcnn.old_layout(name): p.grad.double() for name, p in model.named_parameters()}
    return model, losses, {name: gradients[name] for name in PARAMETERS}, kept


def difference(gradients, expected):
    """The largest, as a part of each gradient's largest value."""
    return max(float((gradients[name] - g).abs().max() / g.abs().max()) for name, g in expected.items())


def step_goldens(folder):
    """In f64: where an activation is almost 0, f32 takes either side of it, and gradients move by 1e-3."""
    model, losses, gradients, kept = step(CASE, torch.float64)
    for noise in (None, 0, 1):
        _, _, moved, _ = step(CASE, torch.float32, noise, kept["select_training_samples"])
        off = difference(moved, gradients)
        print(f"train_step in f32: gradients are off by {off:.1e}")
        if off > 5e-4:
            raise SystemExit("train_step is fragile: choose another seed")

    out = {name: loss.detach().reshape(1) for name, loss in losses.items()}
    assert kept["transform"][0].image_sizes == SIZES, "pictures keep their size"
    proposals, _ = kept["filter_proposals"]
    all_anchors = kept["forward"]
    chosen, objects, labels, _ = kept["select_training_samples"]
    for i, target in enumerate(kept["targets"]):
        taken = kept["anchors"].taken[i]
        label, matched = (part[i][taken] for part in kept["assign_targets_to_anchors"])
        object_of = (matched[:, None] == target["boxes"][None]).all(dim=2).long().argmax(dim=1)
        quality = box_iou(target["boxes"], all_anchors[i][taken])
        assert (quality.max(dim=0).values[label == 0] < 0.3).all()
        out[f"objects.{i}"], out[f"labels.{i}"] = target["boxes"], target["labels"]
        out[f"proposals.{i}"] = proposals[i]
        out[f"anchors.{i}"] = taken
        out[f"anchor_objects.{i}"] = torch.where(label > 0, object_of, -1)
        out[f"rois.{i}"] = chosen[i]
        out[f"roi_objects.{i}"] = torch.where(labels[i] > 0, objects[i], -1)
        assert (target["labels"][objects[i]][labels[i] > 0] == labels[i][labels[i] > 0]).all()
        levels = model.roi_heads.box_roi_pool.map_levels([chosen[i]]).bincount(minlength=4)
        print(
            f"train_step {i}: {int((label > 0).sum())} of {len(taken)} anchors, {int((labels[i] > 0).sum())} of "
            f"{len(chosen[i])} RoIs on levels {levels.tolist()} are objects; {len(proposals[i])} proposals"
        )
    print("losses", {name: round(float(loss.detach()), 5) for name, loss in losses.items()})
    for name, gradient in gradients.items():
        out[f"gradient.{name}"] = torch.from_numpy(generator.sample(gradient.numpy()))
        out[f"norm.{name}"] = gradient.norm().reshape(1)
        print(f"  {name}: norm {float(gradient.norm()):.3e}, {float((gradient != 0).float().mean()):.0%} not zero")
    metadata = {
        "seed": CASE.seed,
        "num_classes": CASE.num_classes,
        "bn_eps": repr(CASE.bn_eps),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    arrays = {
        name: (t.float() if t.is_floating_point() else t).detach().numpy() for name, t in out.items()
    }
    generator.save(folder / "train_step.safetensors", arrays, metadata)


def part_goldens(folder):
    out = {}
    with torch.enable_grad():
        for make in (roi_align_goldens, matching_goldens, encoding_goldens, loss_goldens):
            make(out)
    metadata = {"seed": SEED, "torch": torch.__version__, "torchvision": torchvision.__version__}
    arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in out.items()}
    generator.save(folder / "train.safetensors", arrays, metadata)
    print(f"train: {len(out)} tensors")
