"""Goldens of single operations: inputs and outputs in one file. See `generate` for the names.

Operations that came later have files of their own, so that the first keeps its bytes: `generate_upsample_bilinear`,
`generate_pixel_shuffle`, `generate_roi_pool`.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align
from torchvision.ops.misc import FrozenBatchNorm2d

import generator

SEED = 7
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def values(name, *shape, offset=0.0, scale=1.0):
    return torch.from_numpy(generator.values(SEED, name, shape, offset, scale))


def roi_align_goldens(out):
    x = out["roi_align.input"] = values("roi_align.input", 1, 3, 13, 17)
    boxes = out["roi_align.boxes"] = torch.tensor(
        [
            [0.0, 0.0, 68.0, 52.0],  # the whole map
            [4.0, 8.0, 20.0, 24.0],
            [3.3, 5.7, 41.9, 30.2],
            [10.25, 11.5, 10.75, 12.25],  # tiny
            [30.0, 20.0, 30.0, 20.0],  # no area
            [12.0, 6.0, 12.0, 40.0],  # no width
            [-20.0, -12.0, 15.0, 18.0],  # partly outside, above and left
            [50.0, 40.0, 90.0, 80.0],  # partly outside, below and right
            [100.0, 100.0, 140.0, 130.0],  # outside
            [-60.0, -50.0, -20.0, -10.0],  # outside
            [-4.5, 3.0, 72.5, 9.0],  # wider than the map
            [64.0, 48.0, 68.0, 52.0],  # the last cell
        ]
    )
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1)
    for size in ((7, 7), (3, 5)):
        for aligned, sampling in ((False, 2), (True, 0), (False, 0)):
            y = roi_align(x, rois, size, spatial_scale=0.25, sampling_ratio=sampling, aligned=aligned)
            out[f"roi_align.{size[0]}x{size[1]}.{'aligned' if aligned else 'plain'}.s{sampling}"] = y


def multiscale_goldens(out):
    """Maps: `generator.values(7, "multiscale.p<level>", [1, 2, h, w])`, offset 0, scale 1 (only sampled here)."""
    height, width = 800, 1088
    maps = {}
    for i, level in enumerate(range(2, 6)):
        stride = 2**level
        maps[str(i)] = values(f"multiscale.p{level}", 1, 2, height // stride, width // stride)
        out[f"multiscale.p{level}.shape"] = torch.tensor(maps[str(i)].shape)
        out[f"multiscale.p{level}.sample"] = torch.from_numpy(generator.sample(maps[str(i)].numpy(), 64))
    boxes = [
        [0.0, 0.0, 112.0, 112.0],  # exactly at the border of P2 and P3
        [16.0, 32.0, 240.0, 256.0],  # of P3 and P4
        [100.0, 200.0, 548.0, 648.0],  # of P4 and P5
        [8.0, 8.0, 64.0, 232.0],  # 112^2 again, long
        [10.0, 10.0, 121.9, 121.9],
        [10.0, 10.0, 122.1, 122.1],
        [200.0, 100.0, 423.9, 323.9],
        [200.0, 100.0, 424.1, 324.1],
        [300.0, 200.0, 747.9, 647.9],
        [300.0, 200.0, 748.1, 648.1],
        [0.0, 0.0, 1088.0, 800.0],
        [500.0, 400.0, 508.0, 404.0],
        [700.0, 300.0, 701.0, 301.0],
        [5.0, 780.0, 1080.0, 800.0],
        [1060.0, 2.0, 1088.0, 790.0],
    ]
    v = values("multiscale.boxes", 25, 4, offset=0.5, scale=0.5).double().numpy()
    for cx, cy, w, h in v:
        w, h = 8 * 2 ** (6.5 * w), 8 * 2 ** (6.5 * h)
        x1, y1 = max(cx * width - w / 2, 0), max(cy * height - h / 2, 0)
        boxes.append([x1, y1, min(x1 + w, width), min(y1 + h, height)])
    boxes = out["multiscale.boxes"] = torch.tensor(boxes, dtype=torch.float32)
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
    out["multiscale.output"] = pool(maps, [boxes], [(height, width)])
    assert pool.scales == [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    out["multiscale.levels"] = pool.map_levels([boxes]) + 2


def nms_goldens(out):
    v = values("nms.boxes", 200, 4, offset=0.5, scale=0.5)
    corner, size = v[:, :2] * 100, 4 + v[:, 2:] * 40
    boxes = torch.cat([corner, corner + size], dim=1)
    scores = values("nms.scores", 200, offset=0.5, scale=0.5)
    boxes[150:160] = boxes[10:20]  # the same boxes
    scores[155:160] = scores[15:20]  # with the same scores: the first stays
    boxes[160:164] = torch.tensor([[0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20], [20, 10, 30, 20]]) + 200.0  # touch
    boxes[164:166] = torch.tensor([[300.0, 0, 310, 10], [300.0, 0, 310, 20]])  # IoU exactly 0.5: both stay at 0.5
    boxes[166:168] = torch.tensor([[400.0, 0, 410, 10], [405.0, 5, 405, 5]])  # one without area
    out["nms.boxes"], out["nms.scores"] = boxes, scores
    iou = torchvision.ops.box_iou(boxes, boxes).nan_to_num()
    iou[164, 165] = iou[165, 164] = 0
    for threshold in (0.3, 0.5, 0.7):
        assert (iou - threshold).abs().min() > 1e-6
        out[f"nms.keep.{threshold}"] = nms(boxes, scores, threshold)


def decode_goldens(out):
    v = values("decode.boxes", 40, 4, offset=0.5, scale=0.5)
    corner = v[:, :2] * 300
    boxes = out["decode.boxes"] = torch.cat([corner, corner + v[:, 2:] * 200], dim=1)
    boxes[39, 2:] = boxes[39, :2]  # no area
    for name, weights, scale, classes in (("1", (1.0, 1.0, 1.0, 1.0), 1.0, 1), ("10", (10.0, 10.0, 5.0, 5.0), 5.0, 2)):
        deltas = values(f"decode.deltas.{name}", 40, 4 * classes, scale=scale)
        deltas[:6, 2] = torch.tensor([50.0, -50.0, math.log(1000 / 16) * weights[2], 21.0, 4.1, 1e4])  # dw
        deltas[2:8, 3] = torch.tensor([50.0, -50.0, math.log(1000 / 16) * weights[3], 21.0, 4.2, 1e4])  # dh
        out[f"decode.deltas.{name}"] = deltas
        decoded = BoxCoder(weights).decode(deltas, [boxes])
        out[f"decode.output.{name}"] = decoded.reshape(40, 4 * classes)


def anchor_goldens(out):
    """The anchors of a padded picture of 224x352, in the order level, row, column, ratio."""
    height, width = 224, 352
    sizes = [[math.ceil(height / 2**i), math.ceil(width / 2**i)] for i in range(2, 7)]
    maps = [torch.zeros(1, 1, *size) for size in sizes]
    make = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    anchors = make(ImageList(torch.zeros(1, 3, height, width), [(height, width)]), maps)[0]
    out["anchors.map_sizes"] = torch.tensor(sizes)
    out["anchors.cells"] = torch.stack(make.cell_anchors)
    out["anchors.count"] = torch.tensor([len(anchors)])
    index = torch.from_numpy(generator.sample(np.arange(len(anchors)), 512))
    index = torch.cat([index, torch.arange(len(anchors) - 3 * (77 + 24), len(anchors))]).unique()  # P5, P6 whole
    out["anchors.index"], out["anchors.rows"] = index, anchors[index]


def transform_goldens(out):
    """Rows (h, w, min_size, max_size, resized h, resized w); -1 where a side would be 0 and torchvision fails."""
    settings = [(800, 1333), (224, 373), (320, 533), (256, 400)]
    sizes = [(1, 1), (1, 4000), (4000, 1), (1, 1333), (2, 4000), (3, 4000), (32, 32), (33, 31), (100, 100), (256, 256)]
    sizes += [(517, 606), (606, 517), (800, 1333), (1333, 800), (800, 800), (801, 799), (427, 640), (640, 427)]
    sizes += [(480, 640), (375, 500), (500, 333), (612, 612), (1080, 1920), (2160, 3840), (3024, 4032), (150, 200)]
    sizes += [(241, 180), (61, 83), (64, 400), (335, 251), (301, 97), (199, 277), (799, 1332), (799, 1333)]
    v = generator.values(SEED, "transform.sizes", (8, 2), 0.5, 0.5)
    sizes += [(int(1 + 2000 * a), int(1 + 2000 * b)) for a, b in v]
    rows = []
    for h, w in sizes:
        for low, high in settings:
            transform = GeneralizedRCNNTransform(low, high, MEAN, STD).eval()
            try:
                y, _ = transform.resize(torch.zeros(1, h, w))
                rows.append([h, w, low, high, *y.shape[-2:]])
            except RuntimeError:
                rows.append([h, w, low, high, -1, -1])
    out["transform.sizes"] = torch.tensor(rows)
    picture = generator.picture(SEED, 23, 37)
    transform = GeneralizedRCNNTransform(40, 70, MEAN, STD).eval()
    image = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    images, _ = transform([image])
    out["transform.picture"] = torch.from_numpy(picture)
    out["transform.output"] = images.tensors
    out["transform.resized"] = torch.tensor(images.image_sizes[0])


def map_goldens(out):
    x = out["interpolate.input"] = values("interpolate.input", 1, 2, 5, 7)
    for size in ((11, 13), (3, 4), (5, 7)):
        label = f"{size[0]}x{size[1]}"
        out[f"interpolate.bilinear.{label}"] = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    for size in ((11, 13), (9, 13), (10, 14), (3, 4)):
        label = f"{size[0]}x{size[1]}"
        out[f"interpolate.nearest.{label}"] = F.interpolate(x, size=size, mode="nearest")
    for height, width in ((9, 12), (10, 7)):
        label = f"{height}x{width}"
        x = out[f"max_pool.{label}.input"] = values(f"max_pool.{label}.input", 1, 2, height, width, offset=-2.0)
        out[f"max_pool.{label}.3_2_1"] = F.max_pool2d(x, 3, 2, 1)
        out[f"max_pool.{label}.1_2_0"] = F.max_pool2d(x, 1, 2, 0)
    x = out["batch_norm.input"] = values("batch_norm.input", 1, 4, 3, 5)
    norm = FrozenBatchNorm2d(4)
    for name, offset, scale in (("weight", 1, 0.5), ("bias", 0, 1), ("running_mean", 0, 1), ("running_var", 0.5, 0.5)):
        t = out[f"batch_norm.{name}"] = values(f"batch_norm.{name}", 4, offset=offset, scale=scale)
        if name == "running_var":
            t[0] = 1e-6  # where eps matters
        getattr(norm, name).copy_(t)
    for eps in ("0", "1e-5"):
        norm.eps = float(eps)
        out[f"batch_norm.output.{eps}"] = norm(x)


# (channels, coarse size, fine size)
UPSAMPLES = [
    (3, (9, 7), (17, 14)),  # odd from odd, and even
    (4, (4, 5), (7, 9)),
    (5, (13, 9), (25, 17)),
    (6, (3, 2), (5, 4)),
    (1, (5, 7), (10, 14)),  # exactly twice
    (2, (5, 7), (5, 7)),  # the same size
    (4, (1, 1), (2, 1)),  # no neighbour to mix with
    (2, (1, 2), (1, 3)),
    (4, (2, 1), (3, 2)),
    (2, (3, 5), (11, 13)),  # of no pyramid: by more than two
    (2, (5, 7), (3, 4)),  # and down, without antialiasing
]


def generate_upsample_bilinear(folder):
    """The top-down step: `<case>.output` is `<case>.fine` plus `<case>.coarse` resized to its size; [1, C, H, W]."""
    out = {}
    cases = []
    for channels, coarse_size, fine_size in UPSAMPLES:
        (h, w), (height, width) = coarse_size, fine_size
        case = f"{h}x{w}_to_{height}x{width}"
        cases.append(case)
        coarse = out[f"{case}.coarse"] = values(f"upsample_bilinear.{case}.coarse", 1, channels, h, w)
        fine = out[f"{case}.fine"] = values(f"upsample_bilinear.{case}.fine", 1, channels, height, width)
        out[f"{case}.output"] = fine + F.interpolate(coarse, size=fine_size, mode="bilinear", align_corners=False)
    save(folder / "upsample_bilinear.safetensors", out, {"cases": " ".join(cases)})


# Sizes of the input, by factor and channels of the output.
SHUFFLES = {
    1: {1: (3, 5), 3: (5, 3), 4: (3, 3), 5: (1, 7), 85: (3, 3)},
    2: {1: (5, 7), 3: (3, 5), 4: (5, 3), 5: (3, 3), 85: (3, 3)},
    3: {1: (3, 5), 3: (5, 3), 4: (3, 3), 5: (1, 5), 85: (1, 3)},
    4: {1: (3, 5), 3: (3, 3), 4: (1, 3), 5: (3, 1), 85: (1, 1)},
}


def generate_pixel_shuffle(folder):
    """`<case>.input` [1, C r r, h, w], `<case>.output` [1, C, r h, r w], where <case> is `r<r>_c<C>`."""
    out = {}
    cases = []
    for factor, sizes in SHUFFLES.items():
        for channels, (height, width) in sizes.items():
            case = f"r{factor}_c{channels}"
            cases.append(case)
            shape = (1, channels * factor**2, height, width)
            x = out[f"{case}.input"] = values(f"pixel_shuffle.{case}.input", *shape)
            out[f"{case}.output"] = F.pixel_shuffle(x, factor)
    save(folder / "pixel_shuffle.safetensors", out, {"cases": " ".join(cases)})


def generate_roi_pool(folder):
    """torchvision's RoIPool of a map at stride 16: `input` [1, 3, h, w], `boxes`, and `output.<rows>x<columns>`."""
    x = values("roi_pool.input", 1, 3, 13, 17)
    boxes = torch.tensor(
        [
            [0.0, 0.0, 271.0, 207.0],  # the whole map
            [16.0, 32.0, 80.0, 96.0],
            [13.3, 22.7, 167.9, 120.2],
            [40.0, 44.0, 41.0, 46.0],  # of one cell
            [120.0, 80.0, 120.0, 80.0],  # no area
            [8.0, 24.0, 40.0, 56.0],  # halves go up
            [-8.0, -24.0, 7.9, 8.0],  # and down
            [-80.0, -48.0, 60.0, 72.0],  # partly outside, above and left
            [200.0, 160.0, 360.0, 320.0],  # partly outside, below and right
            [400.0, 400.0, 560.0, 520.0],  # outside
            [-18.0, 12.0, 290.0, 36.0],  # wider than the map
        ]
    )
    out = {"input": x, "boxes": boxes}
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1)
    for size in ((7, 7), (3, 5), (1, 1)):
        out[f"output.{size[0]}x{size[1]}"] = torchvision.ops.roi_pool(x, rois, size, 1 / 16)
    save(folder / "roi_pool.safetensors", out, {})


def save(path, out, metadata):
    metadata = {"seed": SEED, "torch": torch.__version__, "torchvision": torchvision.__version__} | metadata
    generator.save(path, {k: t.numpy() for k, t in out.items()}, metadata)
    print(f"{path.stem}: {len(out)} tensors")


def generate(folder):
    out = {}
    for make in (
        roi_align_goldens,
        multiscale_goldens,
        nms_goldens,
        decode_goldens,
        anchor_goldens,
        transform_goldens,
        map_goldens,
    ):
        make(out)
    save(folder / "ops.safetensors", out, {})
