"""Makes `masks.json`: what pycocotools and torchvision make of masks.

    pip install numpy pycocotools torch torchvision
    ATEN_CPU_CAPABILITY=default python tests/goldens/masks.py

- `bitmaps`: `size` (height, width) and `rows` of '0' and '1'; `counts` as lengths and `text`, `area`, `bbox`
  (x, y, width, height).
- `polygons`: `size`, `polygons`, and the `text` of their union.
- `pairs`: `size`, two `texts`, `union` and `intersection`, `iou`, `crowd` (the same where the second is a crowd).
- `pasted`: `side`, `values` (256ths), and for each of `places` the `box` and `size` of the picture, and the `text` of
  those pixels where torchvision's `paste_masks_in_image` says more than 0.5. A place is refused if a pixel is within
  1e-6 of that: with wider vector units torch rounds differently, which is why it is told to use none.
"""

import json
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as coco
from torchvision.models.detection.roi_heads import paste_masks_in_image


def text(rle):
    return rle["counts"].decode()


def encode(bitmap):
    return coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))


def lengths(bitmap):
    flat = bitmap.flatten(order="F").astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return [0] + counts if flat[0] else counts


def blob(random, height, width):
    """Some rectangles put in and cut out, with a little noise."""
    bitmap = np.zeros((height, width), bool)
    for _ in range(random.integers(1, 5)):
        y1, y2 = np.sort(random.integers(0, height + 1, 2))
        x1, x2 = np.sort(random.integers(0, width + 1, 2))
        bitmap[y1:y2, x1:x2] = random.random() < 0.7
    return bitmap ^ (random.random((height, width)) < random.choice([0, 0, 0.02, 0.3]))


def bitmaps(random):
    made = [np.zeros((1, 1)), np.ones((1, 1)), np.zeros((5, 7)), np.ones((5, 7)), np.ones((1, 9)), np.eye(6)]
    # Runs that differ by so much that their texts have many digits.
    long = np.zeros((300, 200))
    long[7, 3] = long[0, 199] = 1
    long[:, 100:140] = 1
    made.append(long)
    for _ in range(24):
        made.append(blob(random, *random.integers(1, 24, 2)))
    cases = []
    for bitmap in made:
        rle = encode(bitmap)
        case = {
            "size": list(bitmap.shape), "counts": lengths(bitmap), "text": text(rle),
            "area": int(coco.area(rle)), "bbox": coco.toBbox(rle).astype(int).tolist(),
        }
        if bitmap.size < 1000:
            case["rows"] = ["".join(str(int(v)) for v in row) for row in bitmap]
        cases.append(case)
    return cases


def polygons(random):
    sixteenth = lambda values: (np.round(np.asarray(values) * 16) / 16).tolist()
    made = [
        ([20, 30], [[5, 5, 15, 5, 15, 15, 5, 15]]),
        # Degenerate: a point, a line down, across and slanted, the same corner twice.
        ([20, 30], [[5, 5, 5, 5, 5, 5]]),
        ([20, 30], [[5.5, 2, 5.5, 9, 5.5, 4]]),
        ([20, 30], [[2, 5.5, 9, 5.5, 4, 5.5]]),
        ([20, 30], [[2, 2, 12, 9, 7, 5.5]]),
        ([20, 30], [[2, 2, 2, 2, 12, 9, 12, 9, 3, 17]]),
        # The whole picture and more, and one that is nowhere in it.
        ([20, 30], [[0, 0, 30, 0, 30, 20, 0, 20]]),
        ([20, 30], [[-50, -50, 80, -50, 80, 70, -50, 70]]),
        ([20, 30], [[40, 3, 60, 3, 60, 10]]),
        ([20, 30], [[-9, 3, -3, 3, -3, 10]]),
        # A bow and a star cross themselves.
        ([20, 30], [[3, 3, 25, 16, 25, 3, 3, 16]]),
        ([20, 30], [[15, 1, 20, 18, 4, 7, 26, 7, 9, 18]]),
        # Two that overlap, two that touch, one in another.
        ([20, 30], [[2, 2, 14, 2, 14, 12, 2, 12], [8, 8, 25, 8, 25, 18, 8, 18]]),
        ([20, 30], [[2, 2, 14, 2, 14, 12, 2, 12], [14, 2, 25, 2, 25, 12, 14, 12]]),
        ([20, 30], [[2, 2, 25, 2, 25, 18, 2, 18], [8, 8, 12, 8, 12, 12, 8, 12]]),
        ([1, 1], [[0, 0, 1, 0, 1, 1, 0, 1]]),
        ([1, 9], [[0.3, 0.2, 7.9, 0.1, 7, 0.9]]),
        ([9, 1], [[0.3, 0.2, 0.9, 7.1, 0.1, 7.9]]),
    ]
    for _ in range(50):
        size = random.integers(1, 40, 2).tolist()
        parts = []
        for _ in range(random.integers(1, 4)):
            corners = random.uniform(-0.3, 1.3, (random.integers(3, 12), 2)) * size[::-1]
            if random.random() < 0.3:
                corners = np.round(corners)
            parts.append(sixteenth(corners.flatten()))
        made.append((size, parts))
    return [
        {"size": size, "polygons": parts, "text": text(coco.merge(coco.frPyObjects(parts, *size)))}
        for size, parts in made
    ]


def pairs(random):
    cases = []
    for index in range(30):
        size = random.integers(1, 24, 2)
        one, other = blob(random, *size), blob(random, *size)
        if index == 0:
            one[:] = False
        if index == 1:
            one[:], other[:] = False, False
        if index == 2:
            other = one
        rles = [encode(one), encode(other)]
        iou = lambda crowd: float(coco.iou(rles[:1], rles[1:], [crowd])[0, 0])
        cases.append({
            "size": size.tolist(), "texts": [text(rle) for rle in rles],
            "union": text(coco.merge(rles)), "intersection": text(coco.merge(rles, intersect=1)),
            "iou": iou(0), "crowd": iou(1),
        })
    return cases


def pasted(random):
    cases = []
    for side in [1, 2, 7, 14, 28, 28]:
        y, x = (np.mgrid[:side, :side] + 0.5) / side
        centre = random.uniform(0.3, 0.7, 2)
        disk = 1.3 - 3 * np.hypot(y - centre[0], x - centre[1])
        noise = random.normal(0, 0.1, (side, side))
        values = np.clip(np.round((disk + noise) * 256), 0, 256).astype(int)
        mask = torch.tensor(values / 256, dtype=torch.float32)[None, None]
        places = []
        while len(places) < 9:
            size = random.integers(20, 120, 2).tolist()
            height, width = size
            x1, x2 = np.sort(random.uniform(-0.1, 1.1, 2)) * width
            y1, y2 = np.sort(random.uniform(-0.1, 1.1, 2)) * height
            match len(places):
                case 0:
                    x1, y1, x2, y2 = 0, 0, width, height
                case 1:
                    x2 = x1 + 0.2
                case 2:
                    x2, y2 = x1 + random.uniform(0, 1), y1 + random.uniform(0, 1)
                case 3:
                    x1, y1, x2, y2 = np.round([x1, y1, x2, y2])
                case 4:
                    # Far larger than the picture.
                    x1, y1, x2, y2 = -2 * width, -height, 3 * width, 2 * height
            box = np.array([x1, y1, x2, y2], dtype=np.float32)
            # torchvision fails where a box is beside the picture.
            if x1 > width - 1 or y1 > height - 1 or x2 < 1 or y2 < 1:
                continue
            soft = paste_masks_in_image(mask, torch.from_numpy(box)[None], size)[0, 0]
            if (soft - 0.5).abs().min() < 1e-6:
                continue
            rle = encode((soft > 0.5).numpy())
            places.append({"box": box.tolist(), "size": size, "text": text(rle)})
        cases.append({"side": side, "values": values.flatten().tolist(), "places": places})
    return cases


def main():
    assert torch.backends.cpu.get_cpu_capability() == "DEFAULT", "see above"
    random = np.random.default_rng(3)
    golden = {
        "bitmaps": bitmaps(random), "polygons": polygons(random), "pairs": pairs(random), "pasted": pasted(random),
    }
    file = Path(__file__).with_name("masks.json")
    file.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(file, file.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
