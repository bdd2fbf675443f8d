"""Pictures resized by Pillow and by OpenCV, as detectron2 and the C4 models prepare theirs, and warped as NanoDet's are,
without OpenCV's rounding.

Needs Pillow and OpenCV (`opencv-python-headless`) besides what the others need."""

import cv2
import numpy as np
from PIL import Image

import generator

SEED = 5

# (height, width, min_size, max_size): down and up, by much and by little, one axis alone, limited by the long side.
CASES = [
    (23, 37, 60, 200),
    (37, 23, 12, 40),
    (150, 200, 25, 40),
    (48, 64, 48, 64),
    (331, 517, 40, 70),
    (101, 99, 100, 1333),
    (7, 300, 64, 128),
    (427, 640, 200, 333),
    (3, 2, 31, 97),
    (768, 1024, 48, 64),
]

SETTINGS = [(800, 1333), (600, 1000), (224, 373), (60, 64)]


def pillow_size(h, w, least, most):
    """detectron2's ResizeShortestEdge."""
    scale = least / min(h, w)
    new_h, new_w = (least, scale * w) if h < w else (scale * h, least)
    if max(new_h, new_w) > most:
        scale = most / max(new_h, new_w)
        new_h, new_w = new_h * scale, new_w * scale
    return int(new_h + 0.5), int(new_w + 0.5)


def opencv_scale(h, w, least, most):
    """The one factor of the C4 models."""
    scale = least / min(h, w)
    return most / max(h, w) if np.round(scale * max(h, w)) > most else scale


def opencv_size(h, w, least, most):
    scale = opencv_scale(h, w, least, most)
    return int(np.round(h * scale)), int(np.round(w * scale))


def nanodet_plus_place(h, w, side):
    """The size, and the warp: source = index * ratio + shift, each for (y, x)."""
    return (side, side), (h / side, w / side), (0.0, 0.0)


def nanodet_place(h, w, side):
    """The same, the ratio kept: one scale after both sides were rounded down, about the middle."""
    q = side / h if w / h < 1 else side / w
    new_w, new_h = int(q * w), int(q * h)
    r = min(new_h / h, new_w / w)
    if r == 0:  # a side vanishes
        return (new_h, new_w), None, None
    return (new_h, new_w), (1 / r, 1 / r), ((h - new_h / r) / 2, (w - new_w / r) / 2)


def warp(picture, size, ratio, shift):
    """[H, W, 3] sampled bilinearly from index to index, black beyond the picture, not rounded; f64."""
    h, w = picture.shape[:2]
    padded = np.zeros((h + 4, w + 4, 3))
    padded[2:-2, 2:-2] = picture

    def taps(axis):
        place = np.arange(size[axis]) * ratio[axis] + shift[axis]
        low = np.floor(place)
        return np.clip(low, -2, (h, w)[axis]).astype(int) + 2, place - low

    (y, fy), (x, fx) = taps(0), taps(1)
    fy, fx = fy[:, None, None], fx[None, :, None]
    top = padded[y][:, x] * (1 - fx) + padded[y][:, x + 1] * fx
    bottom = padded[y + 1][:, x] * (1 - fx) + padded[y + 1][:, x + 1] * fx
    return top * (1 - fy) + bottom * fy


def generate(folder):
    """`<resizer>.sizes`: rows (h, w, min_size, max_size, resized h, resized w), 0 where a side vanishes;
    `<resizer>.<index>`: samples of case `index` of `cases`, in the order [channel, y, x]."""
    sizes = [(1, 1), (1, 4000), (33, 31), (100, 100), (517, 606), (606, 517), (800, 1333), (801, 799), (427, 640)]
    sizes += [(480, 640), (375, 500), (500, 333), (612, 612), (1080, 1920), (3024, 4032), (150, 200), (64, 400)]
    v = generator.values(SEED, "resizers.sizes", (24, 2), 0.5, 0.5)
    sizes += [(int(1 + 2000 * a), int(1 + 2000 * b)) for a, b in v]
    out = {}
    for name, size in (("pillow", pillow_size), ("opencv", opencv_size)):
        rows = [[h, w, least, most, *size(h, w, least, most)] for h, w in sizes for least, most in SETTINGS]
        out[f"{name}.sizes"] = np.array(rows)
    out["cases"] = np.array(CASES)
    for name, place in (("nanodet", nanodet_place), ("nanodet_plus", nanodet_plus_place)):
        rows = [[h, w, side, side, *place(h, w, side)[0]] for h, w in sizes for side in (320, 416, 64)]
        out[f"{name}.sizes"] = np.array(rows)
        for index, (h, w, _, side) in enumerate(CASES):
            warped = warp(generator.picture(SEED, h, w), *place(h, w, side))
            out[f"{name}.{index}"] = generator.sample(warped.transpose(2, 0, 1).astype(np.float32))
    for index, (h, w, least, most) in enumerate(CASES):
        picture = generator.picture(SEED, h, w)
        height, width = pillow_size(h, w, least, most)
        resized = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
        out[f"pillow.{index}"] = generator.sample(resized.transpose(2, 0, 1).astype(np.float32))
        scale = opencv_scale(h, w, least, most)
        resized = cv2.resize(picture.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        assert resized.shape[:2] == opencv_size(h, w, least, most)
        out[f"opencv.{index}"] = generator.sample(resized.transpose(2, 0, 1))
    generator.save(folder / "resizers.safetensors", out, {"seed": SEED, "opencv": cv2.__version__})
    print(f"resizers: {len(out)} tensors")
