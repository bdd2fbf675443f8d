"""Goldens of Faster R-CNN on a single C4 map, `fasterrcnn_c4_resnet50|101|152`.

jwyang's faster-rcnn.pytorch, rebuilt; the state-dict keys are its own. Boxes are the first Faster R-CNN's: x2 and y2 are
a box's last pixel. RoIPool divides in whole numbers; torchvision's, in floats, is the same but for a few sizes of 57
cells and more, and is compared with. RoIs whose corners fall into the same cells have the same features, and so are
computed once: their scores tie, and the better proposal comes first.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from torch import nn

import faster_rcnn
import generator
from fpn_resnet import BLOCKS, KEYS, ROUNDING

MEANS = (102.9801, 115.9465, 122.7717)  # blue, green, red
STRIDE = 16
ROI_SIZE = 7
RATIOS = (0.5, 1.0, 2.0)
# With 21 classes, 9 anchors and a box for each class.
PARAMETERS = {"resnet50": 28_469_983, "resnet101": 47_462_111, "resnet152": 63_105_759}
PRE_NMS, RPN_NMS = 6000, 0.7
SCORE, NMS, KEEP = 0.05, 0.3, 100


@dataclass
class Case:
    seed: int
    arch: str
    height: int
    width: int
    min_size: int
    max_size: int
    num_classes: int
    anchors: int
    class_agnostic: bool
    stride_in: str
    proposals: int

    @property
    def name(self):
        return f"c4_{self.arch}_s{self.seed}"


CASES = [
    Case(1, "resnet50", 120, 150, 160, 300, 21, 9, False, "1x1", 300),  # landscape
    Case(2, "resnet50", 187, 95, 120, 200, 13, 12, True, "3x3", 60),  # portrait, held back by its long side
    Case(3, "resnet101", 70, 101, 97, 300, 21, 9, True, "1x1", 30),
    Case(4, "resnet152", 81, 64, 80, 200, 11, 9, False, "3x3", 30),
]


class Bottleneck(nn.Module):
    def __init__(self, cin, width, stride, stride_in):
        super().__init__()
        cout = 4 * width
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1, self.bn1 = nn.Conv2d(cin, width, 1, first, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, second, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, cout, 1, bias=False), nn.BatchNorm2d(cout)
        self.downsample = None
        if cin != cout or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Rpn(nn.Module):
    def __init__(self, anchors):
        super().__init__()
        self.RPN_Conv = nn.Conv2d(1024, 512, 3, 1, 1)
        self.RPN_cls_score = nn.Conv2d(512, 2 * anchors, 1)
        self.RPN_bbox_pred = nn.Conv2d(512, 4 * anchors, 1)

    def maps(self, x):
        """Scores [N, 2A, H, W], those of the background first, and deltas [N, 4A, H, W]."""
        x = torch.relu(self.RPN_Conv(x))
        return self.RPN_cls_score(x), self.RPN_bbox_pred(x)

    def forward(self, x):
        """Probabilities [1, A, H, W] that an anchor is none of the background, and deltas [1, 4A, H, W]."""
        scores, deltas = self.maps(x)
        n, channels, height, width = scores.shape
        pairs = scores.reshape(n, 2, channels // 2 * height, width).softmax(1)
        return pairs.reshape(scores.shape)[:, channels // 2 :], deltas


class FasterRcnnC4(nn.Module):
    def __init__(self, arch, num_classes, anchors, class_agnostic, stride_in):
        super().__init__()

        def stage(cin, width, blocks, stride):
            rest = [Bottleneck(4 * width, width, 1, stride_in) for _ in range(blocks - 1)]
            return nn.Sequential(Bottleneck(cin, width, stride, stride_in), *rest)

        blocks = BLOCKS[arch]
        self.RCNN_rpn = Rpn(anchors)
        self.RCNN_base = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 0, ceil_mode=True),
            stage(64, 64, blocks[0], 1),
            stage(256, 128, blocks[1], 2),
            stage(512, 256, blocks[2], 2),
        )
        self.RCNN_top = nn.Sequential(stage(1024, 512, blocks[3], 2))
        self.RCNN_cls_score = nn.Linear(2048, num_classes)
        self.RCNN_bbox_pred = nn.Linear(2048, 4 if class_agnostic else 4 * num_classes)

    def head(self, rois):
        x = self.RCNN_top(rois).mean(3).mean(2)
        return self.RCNN_cls_score(x), self.RCNN_bbox_pred(x)


def check_published():
    """The parameters, and where the lists are at hand the keys and shapes, are those of the published models."""
    for arch, parameters in PARAMETERS.items():
        for class_agnostic in (False, True):
            model = FasterRcnnC4(arch, 21, 9, class_agnostic, "1x1")
            count = sum(p.numel() for p in model.parameters()) + (80 * 2049 if class_agnostic else 0)
            assert count == parameters, f"c4_{arch} has {count:,} parameters, not {parameters:,}"
            keys = KEYS / f"fasterrcnn_c4_{arch}{'_agnostic' if class_agnostic else ''}.txt"
            if keys.exists():
                lines = [line.split("\t") for line in keys.read_text().splitlines() if "\t" in line]
                expected = {name: shape for name, shape in lines}
                found = {name: str(list(t.shape)) for name, t in model.state_dict().items()}
                assert found == expected, f"c4_{arch} is not the published one"


def base_anchors(count):
    """`generate_anchors` of a base of 16 pixels: ratio outer, scale inner."""
    scales = (8, 16, 32) if count == 9 else (4, 8, 16, 32)
    rows = []
    for ratio in RATIOS:
        width = np.round(np.sqrt(STRIDE * STRIDE / ratio))
        height = np.round(width * ratio)
        for scale in scales:
            w, h, c = width * scale, height * scale, (STRIDE - 1) / 2
            rows.append([c - (w - 1) / 2, c - (h - 1) / 2, c + (w - 1) / 2, c + (h - 1) / 2])
    return torch.tensor(rows, dtype=torch.float64)


def anchors_of(count, height, width):
    """[H W A, 4] in the order row, column, anchor."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    shift = torch.stack([x, y, x, y], dim=2).reshape(-1, 1, 4) * STRIDE
    return (shift + base_anchors(count)).reshape(-1, 4)


def decode(boxes, deltas):
    size = boxes[:, 2:] - boxes[:, :2] + 1
    centre = boxes[:, :2] + 0.5 * size
    centre, half = deltas[:, :2] * size + centre, 0.5 * torch.exp(deltas[:, 2:]) * size
    return torch.cat([centre - half, centre + half], dim=1)


def clip(boxes, height, width):
    most = boxes.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return torch.minimum(boxes.clamp(min=0), most)


def overlaps(box, others):
    """IoU of one box with others, the last pixels counted."""
    extent = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2]) + 1
    intersection = extent.clamp(min=0).prod(1)
    return intersection / ((box[2:] - box[:2] + 1).prod() + (others[:, 2:] - others[:, :2] + 1).prod(1) - intersection)


def suppress(boxes, threshold, limit=math.inf):
    """Which of boxes, best first, are kept, and how near the nearest decision was."""
    alive, kept, margin = torch.ones(len(boxes), dtype=torch.bool), [], math.inf
    for i in range(len(boxes)):
        if not alive[i] or len(kept) == limit:
            continue
        kept.append(i)
        iou = overlaps(boxes[i], boxes[i + 1 :])
        left = iou[alive[i + 1 :]]
        if len(left):
            margin = min(margin, float((left - threshold).abs().min()))
        alive[i + 1 :] &= ~(iou > threshold)
    return torch.tensor(kept, dtype=torch.int64), margin


def corners(boxes):
    """In whole cells, halves away from zero; and how near the nearest decision was, but for boxes cut to whole pixels."""
    scaled = boxes / STRIDE
    is_cut = boxes == boxes.round()
    near = ((scaled - scaled.floor() - 0.5).abs() + is_cut).min()
    return (scaled.sign() * (scaled.abs() + 0.5).floor()).long(), float(near)


def bins_of(cells, rows, columns):
    """RoI, bin's row and column, and slices of a map's rows and columns, of every bin that is not empty."""
    for r, (x1, y1, x2, y2) in enumerate(cells.tolist()):
        high, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)

        def part(p, start, size, end):
            first = start + p * size // ROI_SIZE
            last = start + -(-(p + 1) * size // ROI_SIZE)
            return slice(min(max(first, 0), end), min(max(last, 0), end))

        for i in range(ROI_SIZE):
            for j in range(ROI_SIZE):
                down, across = part(i, y1, high, rows), part(j, x1, wide, columns)
                if down.start < down.stop and across.start < across.stop:
                    yield r, i, j, down, across


def roi_pool(image, cells):
    """[R, C, 7, 7] of corners in whole cells."""
    _, channels, height, width = image.shape
    out = image.new_zeros(len(cells), channels, ROI_SIZE, ROI_SIZE)
    for r, i, j, down, across in bins_of(cells, height, width):
        out[r, :, i, j] = image[0, :, down, across].amax(dim=(1, 2))
    return out


def check_roi_pool(image, boxes):
    cells, _ = corners(boxes)
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes.float()], dim=1)
    theirs = torchvision.ops.roi_pool(image.float(), rois, ROI_SIZE, 1 / STRIDE)
    assert torch.equal(theirs, roi_pool(image.float(), cells)), "RoIPool is not torchvision's"


def prepare(picture, min_size, max_size):
    """[H, W, 3] u8 RGB to [1, 3, h, w]: BGR less the means, resized as OpenCV does; and the scale."""
    height, width, _ = picture.shape
    short, long = min(height, width), max(height, width)
    scale = min_size / short
    if np.round(scale * long) > max_size:
        scale = max_size / long
    image = picture[:, :, ::-1].astype(np.float32) - np.array(MEANS, dtype=np.float32)
    for axis, side in enumerate((height, width)):
        # 1 / scale, not the ratio of the sides, which are rounded.
        source = (np.arange(int(np.round(side * scale))) + 0.5) / scale - 0.5
        source = np.clip(source, 0, side - 1)
        low = np.floor(source).astype(int)
        near = (source - low).astype(np.float32)
        near = near[:, None, None] if axis == 0 else near[None, :, None]
        far = image.take(low, axis), image.take(np.minimum(low + 1, side - 1), axis)
        image = far[0] * (1 - near) + far[1] * near
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float(), scale


def detect(model, case, image, scale):
    """Detections, the tensors of every stage, proposals, and how near the nearest decisions were."""
    height, width = image.shape[-2:]
    tensors = {"image": image}
    x = image
    for index, layer in enumerate(model.RCNN_base):
        x = layer(x)
        if index >= 4:
            tensors[f"c{index - 2}"] = x
    scores, deltas = model.RCNN_rpn(x)
    tensors |= {"rpn.scores": scores, "rpn.deltas": deltas}

    anchors = anchors_of(case.anchors, *x.shape[-2:]).to(x.dtype)
    rows = clip(decode(anchors, deltas[0].permute(1, 2, 0).reshape(-1, 4)), height, width)
    values = scores[0].permute(1, 2, 0).reshape(-1)
    order = values.argsort(descending=True, stable=True)[:PRE_NMS]
    kept, rpn_nms = suppress(rows[order], RPN_NMS, case.proposals)
    proposals = rows[order][kept]

    cells, pool = corners(proposals)
    distinct, inverse = cells.unique(dim=0, return_inverse=True)
    features = roi_pool(x, distinct)
    tensors["roi_features"] = features[inverse]
    logits, deltas = (rows[inverse] for rows in model.head(features))
    tensors |= {"class_logits": logits, "box_deltas": deltas}

    probabilities = logits.softmax(1)
    spread = deltas.new_tensor([0.1, 0.1, 0.2, 0.2])
    found, margin = [], {"margin.nms": math.inf, "margin.rpn_nms": rpn_nms, "margin.pool": pool}
    for label in range(1, case.num_classes):
        own = deltas if case.class_agnostic else deltas[:, 4 * label : 4 * label + 4]
        boxes = clip(decode(proposals, own * spread), height, width) / scale
        passing = torch.where(probabilities[:, label] > SCORE)[0]
        passing = passing[probabilities[passing, label].argsort(descending=True, stable=True)]
        kept, near = suppress(boxes[passing], NMS)
        margin["margin.nms"] = min(margin["margin.nms"], near)
        passing = passing[kept]
        found += [(float(probabilities[i, label]), label, boxes[i]) for i in passing.tolist()]
    found.sort(key=lambda row: -row[0])
    scores = torch.tensor([row[0] for row in found])
    margin["margin.score"] = float((probabilities[:, 1:] - SCORE).abs().min())
    margin["margin.top"] = faster_rcnn.cut_margin(scores, KEEP)
    found = found[:KEEP]
    detections = {
        "scores": scores[:KEEP].float(),
        "labels": torch.tensor([row[1] for row in found], dtype=torch.int64),
        "boxes": torch.stack([row[2] for row in found]).float() if found else torch.zeros(0, 4),
    }
    return detections, tensors, proposals, margin


def build(case):
    model = FasterRcnnC4(case.arch, case.num_classes, case.anchors, case.class_agnostic, case.stride_in)
    state = model.state_dict()
    for name in state:
        if not name.endswith("num_batches_tracked"):
            values = generator.parameter(case.seed, name, tuple(state[name].shape), background=(0, 0.0))
            state[name] = torch.from_numpy(values)
    model.load_state_dict(state, strict=True)
    return model.eval()


def generate(case, folder):
    check_published()
    model = build(case)
    picture = generator.picture(case.seed, case.height, case.width)
    image, scale = prepare(picture, case.min_size, case.max_size)
    detections, tensors, proposals, margin = detect(model, case, image, scale)
    check_roi_pool(tensors["c4"], proposals)
    moved = 0
    for i in range(3):
        noise = torch.from_numpy(generator.values(case.seed, f"perturbation.{i}", tuple(image.shape)))
        moved += faster_rcnn.unmatched(detections, detect(model, case, image * (1 + 1e-6 * noise), scale)[0])
    exact, exact_tensors, _, _ = detect(model.double(), case, image.double(), scale)
    moved += faster_rcnn.unmatched(detections, exact)
    scores = detections["scores"]
    print(
        f"{case.name}: {case.height}x{case.width} -> {tuple(image.shape[-2:])}, {len(proposals)} RoIs, "
        f"{len(corners(proposals)[0].unique(dim=0))} of them distinct, {len(scores)} detections of "
        f"{len(set(detections['labels'].tolist()))} classes, scores "
        f"{[round(float(s), 3) for s in scores[[0, len(scores) // 2, -1]]] if len(scores) else []}, unstable {moved}, "
        + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    for name in ("c4", "rpn.scores", "rpn.deltas"):
        largest = float(tensors[name].abs().max())
        rounding = float((tensors[name] - exact_tensors[name]).abs().max()) / largest
        rms = float(tensors[name].square().mean().sqrt())
        print(f"  {name}: largest {largest:.2f}, rms {rms:.3f}, f32 off by {rounding:.1e} of the largest")
        if rounding > ROUNDING:
            raise SystemExit(f"{case.name}: {name} is too inexact in f32 to compare with")
    weak = [k for k in ("score", "nms", "top", "pool") if margin[f"margin.{k}"] < faster_rcnn.MARGIN]
    if weak or moved or not len(scores):
        raise SystemExit(f"{case.name} is fragile ({weak}, {moved} unmatched): choose another picture size")

    out = {k: t.numpy() for k, t in detections.items()} | {"proposals": proposals.numpy()}
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(tensors)
    metadata = {
        "arch": case.arch,
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "min_size": case.min_size,
        "max_size": case.max_size,
        "num_classes": case.num_classes,
        "anchors": case.anchors,
        "class_agnostic": str(case.class_agnostic).lower(),
        "stride_in": case.stride_in,
        "proposals": case.proposals,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", out, metadata)
