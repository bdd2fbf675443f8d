"""Goldens of detectron2's Faster R-CNN on a feature pyramid, and of EFPN, which is one with other stages.

Their published definitions, rebuilt; the state-dict keys are their own. NMS runs level by level and class by class
instead of on boxes shifted by class. Needs Pillow.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torchvision.ops import boxes as box_ops
from torchvision.ops import roi_align
from torchvision.ops.misc import FrozenBatchNorm2d

import faster_rcnn
import generator
import hat
from resizers import pillow_size

MEAN = (103.530, 116.280, 123.675)  # BGR
RESNEXT_STD = (57.375, 57.120, 58.395)
FORMS = {"conv1x1": hat.Conv1x1Ftt, "residual": hat.ResidualFtt, "hat": hat.HatFtt}
BLOCKS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "x101": (3, 4, 23, 3)}
CLASSES = 80
BACKGROUND_BIAS = 6.0
SCORE, OVERLAP, MOST = 0.05, 0.5, 100
RPN_OVERLAP, RPN_MOST = 0.7, 1000
LARGEST = math.log(1000 / 16)


@dataclass
class Case:
    seed: int
    model: str  # as --model says it
    depth: str
    height: int
    width: int
    min_size: int
    max_size: int
    classes: int = CLASSES
    stride_in: str = "1x1"
    std: tuple = (1.0, 1.0, 1.0)  # BGR
    strides: str = "declared"
    ftt: str = "none"

    @property
    def is_efpn(self):
        return self.model.startswith("efpn")

    @property
    def is_resnext(self):
        return self.is_efpn or self.depth == "x101"

    @property
    def name(self):
        kind = "efpn" if self.is_efpn else "d2"
        form = "" if self.ftt == "none" else f"_{self.ftt}"
        return f"{kind}_{self.depth}{form}_s{self.seed}"


CASES = [
    Case(1, "detectron2_faster_rcnn_fpn", "50", 150, 200, 224, 373),
    Case(2, "detectron2_faster_rcnn_fpn", "50", 335, 251, 192, 320, classes=60, stride_in="3x3"),
    Case(6, "detectron2_faster_rcnn_fpn", "x101", 101, 131, 160, 266, stride_in="3x3"),
    Case(4, "efpn_resnext50", "50", 96, 121, 96, 160, stride_in="3x3", std=RESNEXT_STD),
    Case(5, "efpn_resnext50", "50", 121, 90, 96, 160, classes=70, stride_in="3x3", std=RESNEXT_STD, strides="true"),
    Case(10, "efpn_resnext50", "50", 96, 101, 96, 160, stride_in="3x3", std=RESNEXT_STD, ftt="conv1x1"),
    Case(8, "efpn_resnext50", "50", 68, 50, 64, 160, stride_in="3x3", std=RESNEXT_STD, ftt="residual"),
    Case(11, "efpn_resnext50", "50", 64, 57, 57, 160, stride_in="3x3", std=RESNEXT_STD, ftt="hat"),
]


def convolution(cin, cout, kernel, stride=1, groups=1):
    """Without bias, followed by its frozen norm."""
    layer = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    layer.norm = FrozenBatchNorm2d(cout, eps=1e-5)
    return layer


def normed(layer, x):
    return layer.norm(layer(x))


class Stem(nn.Module):
    def __init__(self, has_pool):
        super().__init__()
        self.conv1 = convolution(3, 64, 7, 2)
        self.has_pool = has_pool

    def forward(self, x):
        x = F.relu(normed(self.conv1, x))
        return F.max_pool2d(x, 3, 2, 1) if self.has_pool else x


class Bottleneck(nn.Module):
    def __init__(self, cin, inner, cout, stride, groups, stride_in):
        super().__init__()
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.shortcut = convolution(cin, cout, 1, stride) if cin != cout else None
        self.conv1 = convolution(cin, inner, 1, first)
        self.conv2 = convolution(inner, inner, 3, second, groups)
        self.conv3 = convolution(inner, cout, 1)

    def forward(self, x):
        y = F.relu(normed(self.conv1, x))
        y = F.relu(normed(self.conv2, y))
        y = normed(self.conv3, y)
        return F.relu(y + (x if self.shortcut is None else normed(self.shortcut, x)))


class SingleDownsampling(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1 = convolution(cin, cout, 1, 2)

    def forward(self, x):
        return F.relu(normed(self.conv1, x))


class Body(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.stem = Stem(has_pool=not case.is_efpn)
        groups, inner = (32, 256) if case.is_resnext else (1, 64)
        blocks, cin, cout, stage = list(BLOCKS[case.depth]), 64, 256, 2
        while blocks:
            if case.is_efpn and stage == 3:
                made = [SingleDownsampling(cin, cout)]
            else:
                stride = 1 if stage == 2 else 2
                count = blocks.pop(0)
                made = [Bottleneck(cin, inner, cout, stride, groups, case.stride_in)]
                made += [Bottleneck(cout, inner, cout, 1, groups, case.stride_in) for _ in range(count - 1)]
            self.add_module(f"res{stage}", nn.Sequential(*made))
            stage, cin, cout, inner = stage + 1, cout, 2 * cout, 2 * inner
        self.last = stage - 1

    def forward(self, x):
        x, maps = self.stem(x), {}
        for stage in range(2, self.last + 1):
            maps[stage] = x = getattr(self, f"res{stage}")(x)
        return maps


class Backbone(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.bottom_up = Body(case)
        self.last = self.bottom_up.last
        self.ftt = FORMS[case.ftt]() if case.ftt in FORMS else None
        for n in range(2, self.last + 1):
            self.add_module(f"fpn_lateral{n}", nn.Conv2d(256 << (n - 2), 256, 1))
            self.add_module(f"fpn_output{n}", nn.Conv2d(256, 256, 3, 1, 1))

    def forward(self, image):
        maps = self.bottom_up(image)
        merged, levels = None, {}
        for n in range(self.last, 1, -1):
            lateral = getattr(self, f"fpn_lateral{n}")(maps[n])
            merged = lateral if merged is None else lateral + F.interpolate(merged, scale_factor=2, mode="nearest")
            levels[n] = getattr(self, f"fpn_output{n}")(merged)
        levels[self.last + 1] = F.max_pool2d(levels[self.last], 1, 2)
        if self.ftt is not None:
            textured = self.ftt(levels[4], levels[3])
            levels[2] = F.interpolate(textured, scale_factor=2, mode="nearest") + self.fpn_lateral2(maps[2])
        return maps, dict(sorted(levels.items()))


class RpnHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(256, 256, 3, 1, 1)
        self.objectness_logits = nn.Conv2d(256, 3, 1)
        self.anchor_deltas = nn.Conv2d(256, 12, 1)

    def forward(self, level):
        x = F.relu(self.conv(level))
        return self.objectness_logits(x), self.anchor_deltas(x)


def named(**modules):
    return nn.ModuleDict(modules)


class Detector(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.backbone = Backbone(case)
        self.proposal_generator = named(rpn_head=RpnHead())
        self.roi_heads = named(
            box_head=named(fc1=nn.Linear(256 * 49, 1024), fc2=nn.Linear(1024, 1024)),
            box_predictor=named(
                cls_score=nn.Linear(1024, case.classes + 1), bbox_pred=nn.Linear(1024, 4 * case.classes)
            ),
        )
        finest = 2 if case.strides == "true" else 4
        self.strides = [finest << i for i in range(5)]
        # The published code pads as the strides that it declares say.
        self.multiple = 64 if case.is_efpn else 32

    def prepare(self, picture, case, dtype=torch.float32):
        height, width = pillow_size(case.height, case.width, case.min_size, case.max_size)
        resized = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
        image = torch.from_numpy(resized[:, :, ::-1].transpose(2, 0, 1).astype(np.float32))
        image = (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(case.std)[:, None, None]
        image = image.to(dtype)
        pad = [-side % self.multiple for side in (height, width)]
        return F.pad(image, (0, pad[1], 0, pad[0]))[None], (height, width)

    def anchors(self, size, stride):
        sides = []
        for ratio in (0.5, 1.0, 2.0):
            w = math.sqrt((8 * stride) ** 2 / ratio)
            sides.append([-w / 2, -ratio * w / 2, w / 2, ratio * w / 2])
        ys, xs = (torch.arange(n, dtype=torch.float32) * stride for n in size)
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
        return (shifts + torch.tensor(sides)).reshape(-1, 4)

    def propose(self, logits, deltas, size, level_most=1000):
        boxes, scores, levels = [], [], []
        for index, (stride, l, d) in enumerate(zip(self.strides, logits, deltas)):
            l = l[0].permute(1, 2, 0).reshape(-1)
            d = d[0].reshape(3, 4, *d.shape[2:]).permute(2, 3, 0, 1).reshape(-1, 4)
            best = l.argsort(descending=True, stable=True)[:level_most]
            b = clipped(decoded(self.anchors(logits[index].shape[2:], stride).to(d)[best], d[best], (1, 1, 1, 1)), size)
            has_area = ((b[:, 2:] - b[:, :2]) > 0).all(dim=1) & b.isfinite().all(dim=1)
            boxes.append(b[has_area])
            scores.append(l[best][has_area])
            levels.append(torch.full((len(boxes[-1]),), index))
        suppression = (torch.cat(boxes), torch.cat(scores), torch.cat(levels), RPN_OVERLAP)
        kept = box_ops._batched_nms_vanilla(*suppression)[:RPN_MOST]
        return suppression[0][kept], suppression

    def roi_features(self, levels, rois):
        finest = int(math.log2(self.strides[0]))
        side = (rois[:, 2:] - rois[:, :2]).prod(dim=1).sqrt()
        level = torch.floor(4 + torch.log2(side / 224 + 1e-8)).clamp(finest, finest + 3).long() - finest
        out = torch.zeros(len(rois), 256, 7, 7, dtype=rois.dtype)
        for index, map in enumerate(levels[:4]):
            mine = torch.where(level == index)[0]
            batch = torch.cat([torch.zeros(len(mine), 1, dtype=rois.dtype), rois[mine]], dim=1)
            out[mine] = roi_align(map, batch, 7, 1 / self.strides[index], 0, True)
        return out

    def run(self, image, resized, original):
        """Detections, the tensors of every stage, the proposals, and the inputs of both NMS calls."""
        maps, levels = self.backbone(image)
        tensors = {"image": image}
        tensors |= {f"c{n}": map for n, map in maps.items()}
        tensors |= {f"p{n}": map for n, map in levels.items()}
        levels = list(levels.values())
        logits, deltas = zip(*(self.proposal_generator.rpn_head(level) for level in levels[:5]))
        tensors |= {f"rpn.logits.{i + 2}": t for i, t in enumerate(logits)}
        tensors |= {f"rpn.deltas.{i + 2}": t for i, t in enumerate(deltas)}
        proposals, rpn_suppression = self.propose(logits, deltas, resized)
        features = self.roi_features(levels, proposals)
        head = self.roi_heads.box_head
        x = F.relu(head.fc2(F.relu(head.fc1(features.flatten(1)))))
        predictor = self.roi_heads.box_predictor
        class_logits, box_deltas = predictor.cls_score(x), predictor.bbox_pred(x)
        tensors |= {"roi_features": features, "class_logits": class_logits, "box_deltas": box_deltas}
        classes = class_logits.shape[1] - 1
        scores = class_logits.softmax(dim=1)[:, :-1]
        repeated = proposals[:, None].expand(-1, classes, 4).reshape(-1, 4)
        boxes = clipped(decoded(repeated, box_deltas.reshape(-1, 4), (10, 10, 5, 5)), resized)
        boxes = boxes.reshape(-1, classes, 4)
        roi, label = torch.where(scores > SCORE)
        suppression = (boxes[roi, label], scores[roi, label], label, OVERLAP)
        kept = box_ops._batched_nms_vanilla(*suppression)[:MOST]
        ratio = [o / r for o, r in zip(original, resized)]
        found = suppression[0][kept] * torch.tensor([ratio[1], ratio[0]] * 2, dtype=boxes.dtype)
        found = clipped(found, original)
        has_area = ((found[:, 2:] - found[:, :2]) > 0).all(dim=1)
        kept, found = kept[has_area], found[has_area]
        detections = {"boxes": found, "scores": suppression[1][kept], "labels": label[kept] + 1}
        return detections, tensors, proposals, (rpn_suppression, suppression)


def decoded(anchors, deltas, weights):
    size = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + 0.5 * size
    deltas = deltas / torch.tensor(weights, dtype=deltas.dtype)
    centre = deltas[:, :2] * size + centre
    half = 0.5 * deltas[:, 2:].clamp(max=LARGEST).exp() * size
    return torch.cat([centre - half, centre + half], dim=1)


def clipped(boxes, size):
    height, width = size
    x, y = boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], dim=1)


def gains(case):
    """EFPN's pictures are scaled, all others' are not."""
    return [("bottom_up.stem.", 1.0), *generator.GAINS] if case.is_efpn else generator.GAINS


def build(case):
    model = Detector(case)
    state = {
        name: torch.from_numpy(
            generator.parameter(
                case.seed, name, tuple(t.shape), gains=gains(case), background=(case.classes, BACKGROUND_BIAS)
            )
        )
        for name, t in model.state_dict().items()
    }
    model.load_state_dict(state, strict=True)
    return model.eval()


def margins(model, tensors, proposals, suppressions):
    rpn, head = suppressions
    finest = int(math.log2(model.strides[0]))
    probabilities = tensors["class_logits"].softmax(dim=1)[:, :-1]
    side = (proposals[:, 2:] - proposals[:, :2]).prod(dim=1).sqrt()
    level = 4 + torch.log2(side / 224 + 1e-8)
    level = level[(level > finest + 0.5) & (level < finest + 3.5)]
    kept = box_ops._batched_nms_vanilla(*head)
    cuts = [faster_rcnn.cut_margin(tensors[f"rpn.logits.{n}"].flatten(), 1000) for n in range(2, 7)]
    rpn_kept = box_ops._batched_nms_vanilla(*rpn)
    return {
        "margin.score": float((probabilities - SCORE).abs().min()),
        "margin.nms": faster_rcnn.nms_margin(*head),
        "margin.top": faster_rcnn.cut_margin(head[1][kept], MOST),
        "margin.level": float((level - level.round()).abs().min()) if len(level) else math.inf,
        "margin.rpn_nms": faster_rcnn.nms_margin(*rpn),
        "margin.rpn_level_top": min(cuts),
        "margin.rpn_top": faster_rcnn.cut_margin(rpn[1][rpn_kept], RPN_MOST),
    }


def generate(case, folder):
    model = build(case)
    picture = generator.picture(case.seed, case.height, case.width)
    original = (case.height, case.width)
    image, resized = model.prepare(picture, case)
    detections, tensors, proposals, suppressions = model.run(image, resized, original)
    margin = margins(model, tensors, proposals, suppressions)
    moved = 0
    for i in range(3):
        noise = torch.from_numpy(generator.values(case.seed, f"perturbation.{i}", tuple(image.shape)))
        moved += faster_rcnn.unmatched(detections, model.run(image * (1 + 1e-6 * noise), resized, original)[0])
    moved += faster_rcnn.unmatched(detections, model.double().run(image.double(), resized, original)[0])
    model.float()
    scores = detections["scores"]
    print(
        f"{case.name}: {case.height}x{case.width} -> {resized} -> {tuple(image.shape[2:])}, {len(proposals)} RoIs, "
        f"{len(scores)} detections of {len(set(detections['labels'].tolist()))} classes, "
        f"scores {[round(float(s), 3) for s in scores[[0, len(scores) // 2, -1]]] if len(scores) else []}, "
        f"unstable {moved}, " + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    for name, tensor in tensors.items():
        print(f"  {name}: largest {float(tensor.abs().max()):.2f}, rms {float(tensor.square().mean().sqrt()):.3f}")
    weak = [k for k in ("score", "nms", "top", "level") if margin[f"margin.{k}"] < faster_rcnn.MARGIN]
    if weak or moved:
        raise SystemExit(f"{case.name} is fragile ({weak}, {moved} unmatched): choose another picture size")

    out = {k: t.numpy() for k, t in detections.items()} | {"proposals": proposals.numpy()}
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(tensors)
    metadata = {
        "model": case.model,
        "depth": case.depth,
        "seed": case.seed,
        "height": case.height,
        "width": case.width,
        "classes": case.classes + 1,
        "min_size": case.min_size,
        "max_size": case.max_size,
        "stride_in": case.stride_in,
        "strides": case.strides,
        "ftt": case.ftt,
        "pixel_std": " ".join(str(std) for std in case.std),
        "resized_height": resized[0],
        "resized_width": resized[1],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    generator.save(folder / f"{case.name}.safetensors", out, metadata)
