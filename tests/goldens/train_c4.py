"""Golden of one training step of Faster R-CNN on a single C4 map, `train_step_c4`: what `train_steps.py` says.

Boxes, and so `objects.<picture>`, have x2 and y2 on their last pixels. Anchors count only wholly inside a picture's own
size, which is also what proposals are clipped to; pictures are not resized, and padded right and below to the size of
both. Frozen are the stem, layer1 and every norm. RoIPool's gradient goes to the first of a bin's largest cells, in
row-major order.
"""

import torch
import torch.nn.functional as F

import faster_rcnn_c4 as c4
import generator
import train_steps
from train import fast_rcnn_smooth_l1

NAME = "train_step_c4"
SIZES = [(240, 304), (224, 272)]
OBJECTS = [
    ([[20.0, 31.0, 163.0, 122.0], [100.0, 40.0, 239.0, 229.0], [197.0, 60.0, 290.0, 151.0]], [3, 17, 3]),
    ([[40.0, 10.0, 230.0, 211.0], [62.0, 60.0, 151.0, 105.0]], [20, 1]),
]
ANCHORS, ROIS = 64, 64
PRE_NMS, PROPOSALS = 12_000, 2000
SPREAD = (10, 10, 5, 5)  # 1 / (0.1, 0.1, 0.2, 0.2)

PARAMETERS = [
    "RCNN_base.5.0.conv1.weight",
    "RCNN_base.5.0.downsample.0.weight",
    "RCNN_base.5.3.conv3.weight",
    "RCNN_base.6.0.conv2.weight",
    "RCNN_base.6.5.conv1.weight",
    "RCNN_top.0.0.downsample.0.weight",
    "RCNN_top.0.1.conv2.weight",
    "RCNN_top.0.2.conv3.weight",
    "RCNN_rpn.RPN_Conv.weight",
    "RCNN_rpn.RPN_cls_score.weight",
    "RCNN_rpn.RPN_cls_score.bias",
    "RCNN_rpn.RPN_bbox_pred.weight",
    "RCNN_cls_score.weight",
    "RCNN_cls_score.bias",
    "RCNN_bbox_pred.weight",
    "RCNN_bbox_pred.bias",
]


def prepared(case):
    """[pictures, 3, H, W], padded with zeros to one size."""
    images = []
    for i, (height, width) in enumerate(SIZES):
        image, scale = c4.prepare(generator.picture(case.seed + i, height, width), min(height, width), 1 << 20)
        assert scale == 1 and image.shape[-2:] == (height, width), "pictures keep their size"
        images.append(image)
    height, width = (max(image.shape[axis] for image in images) for axis in (2, 3))
    return torch.cat([F.pad(image, (0, width - image.shape[3], 0, height - image.shape[2])) for image in images])


def targets(dtype=torch.float64):
    boxes, labels = zip(*OBJECTS)
    return [torch.tensor(b, dtype=dtype) for b in boxes], [torch.tensor(l) for l in labels]


def overlaps(objects, boxes):
    return torch.stack([c4.overlaps(one, boxes) for one in objects])


def pick(case, model, image):
    """The proposals of each picture, and what is picked of anchors and RoIs."""
    map = model.RCNN_base(image)
    all_anchors = c4.anchors_of(case.anchors, *map.shape[-2:])
    proposals, picked = [], train_steps.Picked()
    for i, objects in enumerate(targets()[0]):
        height, width = SIZES[i]
        scores, deltas = model.RCNN_rpn(map[i : i + 1])
        rows = c4.clip(c4.decode(all_anchors, deltas[0].permute(1, 2, 0).reshape(-1, 4)), height, width)
        order = scores[0].permute(1, 2, 0).reshape(-1).argsort(descending=True, stable=True)[:PRE_NMS]
        kept, _ = c4.suppress(rows[order], c4.RPN_NMS, PROPOSALS)
        proposals.append(rows[order][kept])
        indices = torch.where((all_anchors == c4.clip(all_anchors, height, width)).all(dim=1))[0]
        train_steps.pick_anchors(picked, overlaps(objects, all_anchors[indices]), indices, ANCHORS)
        boxes = torch.cat([proposals[i], objects])
        train_steps.pick_rois(picked, overlaps(objects, boxes), boxes, ROIS)
        _, near = c4.corners(picked.rois[i])
        train_steps.refuse_near("RoIPool", torch.tensor([near]))
        print(f"{NAME} {i}: {len(indices)} of {len(all_anchors)} anchors inside")
    return proposals, picked


def rpn_losses(case, model, map, picked):
    scores, deltas = model.RCNN_rpn.maps(map)
    pictures, channels, height, width = scores.shape
    all_anchors = c4.anchors_of(case.anchors, height, width).to(map.dtype)
    pairs = scores.reshape(pictures, 2, channels // 2, height, width).permute(0, 3, 4, 2, 1).reshape(pictures, -1, 2)
    deltas = deltas.permute(0, 2, 3, 1).reshape(pictures, -1, 4)
    logits, classes, box = [], [], 0
    for i, objects in enumerate(targets(map.dtype)[0]):
        taken, object_of = picked.anchors[i], picked.anchor_objects[i]
        is_object = object_of >= 0
        logits.append(pairs[i, taken])
        classes.append(is_object.long())
        own = taken[is_object]
        wanted = train_steps.encoded(all_anchors[own], objects[object_of[is_object]], last_pixel=1)
        box += fast_rcnn_smooth_l1(deltas[i, own], wanted, 1, 1 / len(taken), 3) / pictures
    return {"loss_objectness": F.cross_entropy(torch.cat(logits), torch.cat(classes)), "loss_rpn_box_reg": box}


def pooled(map, cells):
    """`c4.roi_pool` with a gradient: each bin's first largest cell is taken from the map."""
    channels, height, width = map.shape
    index = torch.zeros(len(cells), channels, c4.ROI_SIZE, c4.ROI_SIZE, dtype=torch.int64)
    is_full = torch.zeros(len(cells), 1, c4.ROI_SIZE, c4.ROI_SIZE, dtype=torch.bool)
    for r, i, j, down, across in c4.bins_of(cells, height, width):
        first = map[:, down, across].detach().flatten(1).argmax(dim=1)
        row, column = first // (across.stop - across.start), first % (across.stop - across.start)
        index[r, :, i, j] = (down.start + row) * width + across.start + column
        is_full[r, :, i, j] = True
    taken = map.flatten(1).gather(1, index.permute(1, 0, 2, 3).flatten(1))
    taken = taken.reshape(channels, len(cells), c4.ROI_SIZE, c4.ROI_SIZE).permute(1, 0, 2, 3)
    taken = torch.where(is_full, taken, 0)
    assert torch.equal(taken.detach(), c4.roi_pool(map.detach()[None], cells))
    return taken


def roi_losses(case, model, map, picked):
    rois = [boxes.to(map.dtype) for boxes in picked.rois]
    features = [pooled(map[i], c4.corners(boxes)[0]) for i, boxes in enumerate(rois)]
    logits, deltas = model.head(torch.cat(features))
    classes, wanted = [], []
    for boxes, object_of, objects, labels in zip(rois, picked.roi_objects, *targets(map.dtype)):
        is_object = object_of >= 0
        classes.append(torch.where(is_object, labels[object_of], 0))
        wanted.append(train_steps.encoded(boxes[is_object], objects[object_of[is_object]], SPREAD, last_pixel=1))
    classes = torch.cat(classes)
    positive = torch.where(classes > 0)[0]
    own = deltas.reshape(len(deltas), -1, 4)[positive, classes[positive]]
    return {
        "loss_classifier": F.cross_entropy(logits, classes),
        "loss_box_reg": fast_rcnn_smooth_l1(own, torch.cat(wanted), 1, 1 / len(classes), 1),
    }


def freeze(model):
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.requires_grad_(False)
    model.RCNN_base[:5].requires_grad_(False)


CASE = c4.Case(34, "resnet50", 0, 0, 0, 0, 21, 9, False, "1x1", PROPOSALS)


def generate(folder):
    model = c4.build(CASE).double()
    freeze(model)
    image = prepared(CASE)
    proposals, picked = pick(CASE, model, image.double())
    out = train_steps.kept(NAME, *targets(), proposals, picked)

    def losses_of(model, image):
        map = model.RCNN_base(image)
        return rpn_losses(CASE, model, map, picked) | roi_losses(CASE, model, map, picked)

    losses, gradients = train_steps.step(NAME, CASE.seed, model, losses_of, image, PARAMETERS)
    metadata = {
        "arch": CASE.arch,
        "seed": CASE.seed,
        "num_classes": CASE.num_classes,
        "bn_eps": repr(1e-5),
        "cell_anchors": CASE.anchors,
        "class_agnostic": str(CASE.class_agnostic).lower(),
        "stride_in": CASE.stride_in,
        "sizes": train_steps.sizes_text(SIZES),
        "anchors": ANCHORS,
        "rois": ROIS,
    }
    train_steps.save(NAME, folder, out, losses, gradients, metadata)
