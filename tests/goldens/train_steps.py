"""What the goldens of one training step have in common: `train_detectron2.py` and `train_c4.py`, as in `train.py`.

A file holds, of each picture: `objects.<picture>` and `labels.<picture>` (1 + the foreground's index), the RPN's
`proposals.<picture>`; and what chance would pick: the anchors `anchors.<picture>` (indices in the order level, row,
column, anchor of the cell) with `anchor_objects.<picture>` (the object's index, or -1), and the RoIs `rois.<picture>`
with `roi_objects.<picture>`. Then the losses `loss_objectness`, `loss_rpn_box_reg`, `loss_classifier` and
`loss_box_reg`, and of each parameter's gradient at most 256 values, `gradient.<key>` (`generator.sample`), and its
norm, `norm.<key>`. The gradients are of the sum of the losses. Only norms are frozen, unless a script says more.

All is in f64. A case is refused if in f32, or with the input moved by 1e-6 of itself, a gradient changes by more than
5e-4 of its largest value, or if a match is within 1e-5 of another outcome.
"""

from dataclasses import dataclass, field

import torch
import torchvision

import generator
from train import Sampler, difference

FRAGILE = 5e-4
NEAR = 1e-5


@dataclass
class Picked:
    """What chance picks, a tensor for each picture; objects by index, -1 for the background."""

    anchors: list = field(default_factory=list)
    anchor_objects: list = field(default_factory=list)
    rois: list = field(default_factory=list)
    roi_objects: list = field(default_factory=list)


def refuse_near(name, distances):
    if len(distances) and float(distances.min()) < NEAR:
        raise SystemExit(f"{name}: a match is within {float(distances.min()):.1e} of another: move the objects")


def refuse_other_object(name, quality):
    """`quality` is [objects, boxes]; another object may not be as good for a box as its own."""
    if len(quality) > 1:
        first, second = quality.topk(2, dim=0).values
        refuse_near(name, first - second)


def sample_one(labels, count, fraction):
    sampler = Sampler(count, fraction)
    sampler([labels])
    return sampler.taken[0]


def pick_anchors(picked, quality, indices, count):
    """From the IoU [objects, anchors] with those of `indices`; half of the picked are objects at most."""
    best, mine = quality.max(dim=0)
    best_of_object = quality.max(dim=1, keepdim=True).values
    is_best = ((quality == best_of_object) & (quality > 0)).any(dim=0)
    labels = torch.where(best < 0.3, 0, -1)
    labels[(best >= 0.7) | is_best] = 1
    taken = sample_one(labels, count, 0.5)
    label, own = labels[taken], mine[taken]
    refuse_near("best anchors", (best_of_object - quality)[quality < best_of_object])
    refuse_near("anchors", (best[taken][(label == 1) & ~is_best[taken]] - 0.7).abs())
    refuse_near("anchors", (best[taken][label == 0] - 0.3).abs())
    refuse_other_object("anchors", quality[:, taken][:, label == 1])
    picked.anchors.append(indices[taken])
    picked.anchor_objects.append(torch.where(label == 1, own, -1))


def pick_rois(picked, quality, boxes, count):
    """From the IoU [objects, boxes]; a quarter of the picked are objects at most."""
    best, mine = quality.max(dim=0)
    labels = (best >= 0.5).long()
    taken = sample_one(labels, count, 0.25)
    label, own = labels[taken], mine[taken]
    refuse_near("RoIs", (best[taken] - 0.5).abs())
    refuse_other_object("RoIs", quality[:, taken][:, label == 1])
    picked.rois.append(boxes[taken])
    picked.roi_objects.append(torch.where(label == 1, own, -1))


def encoded(boxes, targets, weights=(1, 1, 1, 1), last_pixel=0):
    """The deltas from boxes to targets; `last_pixel` is 1 where x2 and y2 are a box's last pixel."""
    size, wanted = (b[:, 2:] - b[:, :2] + last_pixel for b in (boxes, targets))
    centre, at = boxes[:, :2] + size / 2, targets[:, :2] + wanted / 2
    return torch.cat([(at - centre) / size, (wanted / size).log()], dim=1) * boxes.new_tensor(weights)


def gradients_of(model, dtype, losses_of, image, parameters):
    """Losses by name, and gradients in f64 by key; `losses_of` takes the model and its input."""
    model.to(dtype).zero_grad()
    with torch.enable_grad():
        losses = losses_of(model, image.to(dtype))
        sum(losses.values()).backward()
    found = dict(model.named_parameters())
    # A copy: converting the model converts its own gradients in place.
    gradients = {name: found[name].grad.to(torch.float64, copy=True) for name in parameters}
    return {name: loss.detach().double().reshape(1) for name, loss in losses.items()}, gradients


def step(name, seed, model, losses_of, image, parameters):
    """Losses and gradients in f64; refused if they are fragile."""
    losses, gradients = gradients_of(model, torch.float64, losses_of, image, parameters)
    assert all(gradient.any() for gradient in gradients.values())
    moves = [torch.zeros(image.shape)]
    moves += [torch.from_numpy(generator.values(seed, f"perturbation.{i}", tuple(image.shape))) for i in range(2)]
    for move in moves:
        near = image.double() * (1 + 1e-6 * move.double())
        _, moved = gradients_of(model, torch.float32, losses_of, near, parameters)
        off = difference(moved, gradients)
        print(f"{name} in f32: gradients are off by {off:.1e}")
        if off > FRAGILE:
            worst = {key: difference({key: moved[key]}, {key: g}) for key, g in gradients.items()}
            print("  " + ", ".join(f"{key} {off:.1e}" for key, off in worst.items() if off > FRAGILE))
            raise SystemExit(f"{name} is fragile: choose another seed")
    return losses, gradients


def save(name, folder, out, losses, gradients, metadata):
    print(f"{name}: losses", {key: round(float(loss), 5) for key, loss in losses.items()})
    out |= losses
    for key, gradient in gradients.items():
        sample = out[f"gradient.{key}"] = torch.from_numpy(generator.sample(gradient.numpy()))
        out[f"norm.{key}"] = gradient.norm().reshape(1)
        print(f"  {key}: norm {float(gradient.norm()):.3e}, {int(sample.count_nonzero())} of {len(sample)} not zero")
        if not sample.any():
            raise SystemExit(f"{name}: the sample of {key} is zero")
    arrays = {key: (t.float() if t.is_floating_point() else t).detach().numpy() for key, t in out.items()}
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    generator.save(folder / f"{name}.safetensors", arrays, metadata | versions)


def kept(name, objects, labels, proposals, picked):
    """What a file holds of the pictures."""
    out = {}
    for i, boxes in enumerate(objects):
        out[f"objects.{i}"], out[f"labels.{i}"], out[f"proposals.{i}"] = boxes, labels[i], proposals[i]
        for part in ("anchors", "anchor_objects", "rois", "roi_objects"):
            out[f"{part}.{i}"] = getattr(picked, part)[i]
        anchors, rois = picked.anchor_objects[i], picked.roi_objects[i]
        positive = [int((of >= 0).sum()) for of in (anchors, rois)]
        print(
            f"{name} {i}: {positive[0]} of {len(anchors)} anchors, {positive[1]} of {len(rois)} RoIs are objects "
            f"({sorted(set(anchors.tolist()))}, {sorted(set(rois.tolist()))}); {len(proposals[i])} proposals"
        )
        if min(positive) < 3:
            raise SystemExit(f"{name}: too few positives")
    return out


def sizes_text(sizes):
    return ",".join(f"{height}x{width}" for height, width in sizes)
