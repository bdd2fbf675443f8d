"""The deterministic generator of parameters and pictures, and the golden file writer.

Everything is a pure function of (seed, name, index), in wrapping 64-bit arithmetic, so that another
language can make the same weights and pictures without any file in between:

    mix(z)         z = (z ^ z>>30) * 0xBF58476D1CE4E5B9; z = (z ^ z>>27) * 0x94D049BB133111EB; z ^ z>>31
    stream(key, i) mix(key + (i + 1) * 0x9E3779B97F4A7C15)
    key(seed, name) mix(seed) ^ fnv1a64(name)
    v(key, i)      2 * (stream(key, i) >> 40) / 2^24 - 1                         in [-1, 1), f64
    parameter[i] = f32(offset + scale * v(key(seed, name), i))                   i: flat, row-major

`name` is the state-dict key. Of torchvision's first versions it is that of the older layout
(`backbone.fpn.inner_blocks.0.weight`, `rpn.head.conv.weight`; see `faster_rcnn.fill`). (offset, scale) come from
`parameter_range`.
"""

import json
import math
import re
from pathlib import Path

import numpy as np

U64 = np.uint64
GAMMA = U64(0x9E3779B97F4A7C15)
CHUNK = 1 << 20


def mix(z):
    """The finalizer of the stream, on an array of u64."""
    z = np.atleast_1d(np.asarray(z, dtype=U64)).copy()
    z ^= z >> U64(30)
    z *= U64(0xBF58476D1CE4E5B9)
    z ^= z >> U64(27)
    z *= U64(0x94D049BB133111EB)
    z ^= z >> U64(31)
    return z


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def key(seed, name):
    return mix(U64(seed))[0] ^ U64(fnv1a64(name))


def stream(key, index):
    """The u64 numbers of a stream at the indices (an array)."""
    return mix(key + (np.asarray(index, dtype=U64) + U64(1)) * GAMMA)


def values(seed, name, shape, offset=0.0, scale=1.0):
    """f32(offset + scale * v) for a whole tensor."""
    count = math.prod(shape)
    k = key(seed, name)
    out = np.empty(count, dtype=np.float32)
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        bits = stream(k, np.arange(start, stop, dtype=U64)) >> U64(40)
        v = 2.0 * (bits.astype(np.float64) / 16777216.0) - 1.0
        out[start:stop] = offset + scale * v
    return out.reshape(shape)


# (offset, scale) of a bias: the first pattern that the name contains.
BIASES = [
    ("box_head.fc", (-1.3, 0.1)),  # sparse features, so that RoIs differ from one another
    ("box_head.5.", (-1.3, 0.1)),  # the same of torchvision's second version
    ("RCNN_top.0.2.bn3.", (-1.3, 0.1)),  # the same of the last block of C4's box head
    ("RPN_cls_score.", (0.0, 0.1)),
    ("RPN_bbox_pred.", (0.0, 0.8)),
    ("cls_score.", (0.0, 0.5)),
    ("gfl_cls.", (-5.0, 0.5)),  # few of NanoDet's classes are anywhere; to distributions it is the same
    ("anchor_deltas.", (0.0, 0.8)),
    ("rpn.head.bbox_pred.", (0.0, 0.8)),  # anchors of one place become boxes of several sizes
    ("mask_head.", (-0.5, 0.1)),  # sparse, too, so that masks are neither full nor empty
    ("classification_head.cls_logits.", (-8.0, 1.0)),  # one-stage detectors: few of many scores are good
    ("regression_head.bbox_reg.", (0.0, 0.8)),
    ("", (0.0, 0.1)),
]

# FCOS's head has RetinaNet's names, but its boxes are distances in strides.
FCOS_BIASES = [("regression_head.bbox_reg.", (1.5, 1.5)), *BIASES]

# Added to the offset of the background's element of the class bias, so that background wins for most RoIs.
BACKGROUND_BIAS = 8.0

# The gain of a weight of two dimensions or more: the first pattern that the name contains.
GAINS = [
    ("fpn.inner_blocks.3.", 1.2),  # the coarse maps speak, so that not all proposals come from P2
    ("fpn.inner_blocks.2.", 0.5),
    ("fpn.inner_blocks.", 0.25),
    ("fpn.layer_blocks.", 0.7),
    ("rpn.head.cls_logits.", 1.2),
    ("rpn.head.bbox_pred.", 0.3),
    ("box_predictor.cls_score.", 6.0),
    ("box_predictor.bbox_pred.", 4.0),
    ("body.stage1.0.0.", 0.02),  # RetinaFace: its pictures are not scaled to a unit range
    ("ClassHead.", 0.8),
    ("BboxHead.", 0.4),
    ("LandmarkHead.", 0.5),
    ("RCNN_base.0.", 0.02),  # C4: as RetinaFace
    ("RPN_cls_score.", 1.2),
    ("RPN_bbox_pred.", 0.3),
    ("RCNN_cls_score.", 12.0),
    ("RCNN_bbox_pred.", 4.0),
    ("toplayer.", 1.2),  # the tutorials' pyramid, as torchvision's
    ("latlayer1.", 0.5),
    ("latlayer", 0.25),
    ("smooth", 0.7),
    ("bottom_up.stem.", 0.02),  # detectron2's pictures are not scaled to a unit range
    ("ftt.content_extractor.conv1.", 1.35),  # EFPN's feature texture transfer by 1x1 convolutions
    ("ftt.content_extractor.conv2.", 1.35),
    ("ftt.texture_extractor.conv1.", 1.35),
    ("ftt.texture_extractor.conv2.", 1.35),  # and in any other form
    ("backbone.ftt.", 1.0),
    ("fpn_lateral6.", 1.2),
    ("fpn_lateral5.", 1.2),
    ("fpn_lateral4.", 0.5),
    ("fpn_lateral", 0.25),
    ("fpn_output", 0.7),
    ("objectness_logits.", 1.2),
    ("branch1.0.", 0.9),  # NanoDet: no activation is behind these
    ("branch2.3.", 0.9),
    (".ghost2.", 0.8),
    (".blocks.0.shortcut.", 0.6),
    ("lateral_convs.", 0.5),
    ("extra_lvl_", 2.2),
    ("gfl_cls.3.", 5.0),  # the coarse maps, whose places differ less, speak too
    ("gfl_cls.2.", 2.5),
    ("gfl_cls.", 1.5),
    ("anchor_deltas.", 0.3),
    ("fpn.extra_blocks.", 2.0),  # one-stage detectors: the coarsest maps speak, too
    ("classification_head.cls_logits.", 3.0),
    ("regression_head.bbox_reg.", 0.1),  # neighbours have near boxes, of which one remains
    (".block.0.0.", 1.0),  # MobileNet: nothing halves what its blocks hand on
    ("mask_predictor.conv5_mask.", 2.8),
    ("mask_predictor.mask_fcn_logits.", 3.0),
    ("keypoint_predictor.kps_score_lowres.", 0.7),
    ("", math.sqrt(2.0)),
]

FCOS_GAINS = [("regression_head.bbox_reg.", 1.0), *GAINS]

# The last batch norm of a residual block: a small weight keeps deep stacks in range.
LAST_NORM = {
    "basic": re.compile(r"layer\d+\.\d+\.bn2\.weight$"),
    # In the tutorials' pyramid the whole bottleneck is one Sequential, of which the last norm is entry 7.
    # C4's stages have numbers for names.
    "bottleneck": re.compile(
        r"((layer\d+|RCNN_base\.\d+|RCNN_top\.0)\.\d+\.(bn3|bottleneck\.7)|res\d\.\d+\.conv3\.norm)\.weight$"
    ),
}


def lookup(table, name):
    return next(value for part, value in table if part in name)


def parameter_range(name, shape, block="bottleneck", gains=GAINS, biases=BIASES):
    """(offset, scale) of a parameter, by the first rule that fits:

    1. `...running_mean`: (0, 0.1)
    2. `...running_var`: (1, 0.5)
    3. a weight of one dimension (a batch norm): the last of a residual block (bn3, `bottleneck.7` or `conv3.norm` of a
       bottleneck, bn2 of a basic block): (0.05, 0.05); any other: (1, 0.1)
    4. `...bias`: by `biases`; then the background's element of the class bias gets `BACKGROUND_BIAS` (see `parameter`)
    5. any other weight: (0, gain * sqrt(3 / fan_in)), fan_in the product of all dimensions but the first,
       gain by `gains`
    """
    if name.endswith("running_mean"):
        return 0.0, 0.1
    if name.endswith("running_var"):
        return 1.0, 0.5
    if name.endswith(".weight") and len(shape) == 1:
        return (0.05, 0.05) if LAST_NORM[block].search(name) else (1.0, 0.1)
    if name.endswith(".bias"):
        return lookup(biases, name)
    return 0.0, lookup(gains, name) * math.sqrt(3.0 / math.prod(shape[1:]))


def parameter(
    seed, name, shape, block="bottleneck", gains=GAINS, biases=BIASES, background=(0, BACKGROUND_BIAS)
):
    """A parameter tensor as f32; `background` is that class's index, and what is added to its bias."""
    offset, scale = parameter_range(name, shape, block, gains, biases)
    out = values(seed, name, shape, offset, scale)
    if name.endswith("cls_score.bias"):
        index, bias = background
        out[index] = values(seed, name, shape, offset + bias, scale)[index]
    return out


def picture(seed, height, width):
    """A picture of smooth colours and noise, [H, W, 3] u8, in integers only."""
    lattice_key, noise_key = key(seed, "picture"), key(seed, "noise")
    y = np.arange(height, dtype=np.int64)[:, None, None]
    x = np.arange(width, dtype=np.int64)[None, :, None]
    c = np.arange(3, dtype=np.int64)[None, None, :]
    gx, fx, gy, fy = x // 32, x % 32, y // 32, y % 32

    def lattice(gx, gy):
        index = (gy * 4096 + gx) * 3 + c
        return (stream(lattice_key, index.ravel()) >> U64(56)).astype(np.int64).reshape(index.shape)

    s = (
        lattice(gx, gy) * (32 - fx) * (32 - fy)
        + lattice(gx + 1, gy) * fx * (32 - fy)
        + lattice(gx, gy + 1) * (32 - fx) * fy
        + lattice(gx + 1, gy + 1) * fx * fy
    )
    index = (y * 8192 + x) * 3 + c
    noise = (stream(noise_key, index.ravel()) >> U64(58)).astype(np.int64).reshape(index.shape) - 32
    return np.clip(((s + 512) >> 10) + noise, 0, 255).astype(np.uint8)


def sample(array, limit=256):
    """The values at the flat indices floor((2k+1) N / 2n), k < n = min(limit, N)."""
    flat = np.ascontiguousarray(array).reshape(-1)
    count = flat.size
    n = min(limit, count)
    return flat[[(2 * k + 1) * count // (2 * n) for k in range(n)]]


def sampled(tensors):
    """What is kept of tensors by name: their shapes and samples."""
    out = {}
    for name, tensor in tensors.items():
        out[f"{name}.shape"] = np.array(tensor.shape, dtype=np.int64)
        out[f"{name}.sample"] = sample(tensor.numpy())
    return out


DTYPES = {"float32": "F32", "int64": "I64", "uint8": "U8"}


def save(path, tensors, metadata):
    """Writes a safetensors file, always with the same bytes for the same contents."""
    arrays = {name: np.ascontiguousarray(t) for name, t in tensors.items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header = {"__metadata__": {k: str(metadata[k]) for k in sorted(metadata)}}
    end = 0
    for name in order:
        a = arrays[name]
        header[name] = {
            "dtype": DTYPES[a.dtype.name],
            "shape": list(a.shape),
            "data_offsets": [end, end + a.nbytes],
        }
        end += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(Path(path), "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in order:
            file.write(arrays[name].tobytes())
