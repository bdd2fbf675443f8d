"""Makes `coco.json`: detections in generated pictures, and how good pycocotools and VOC's kit say they are.

    pip install numpy pycocotools
    python tests/goldens/coco.py

Coordinates are multiples of 1/4 and scores of 1/64, so that f32 holds them exactly and ties are frequent. An object
is [label, x1, y1, x2, y2, area, crowd, difficult], a detection [label, x1, y1, x2, y2, score]. `metrics` are
pycocotools' figures for the set (-1: there is none) and VOC's AP50 by its definition; `classes` the same of each class.

pycocotools has no difficult objects and throws `ignore` away; `Evaluator` below gives them the flag that it uses
itself for objects to ignore.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FIGURES = {"ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5, "ar100": 8}
CLASSES = ["background", "apple", "pear", "cherry", "never there", "only found"]


class Evaluator(COCOeval):
    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for item in objects:
                item["ignore"] = int(item["ignore"] or item["difficult"])


def snap(values):
    return np.round(np.asarray(values) * 4) / 4


def picture(random, count, found):
    objects, detections = [], []
    for _ in range(count):
        label = int(random.integers(1, 4))
        # Many squares of exactly 32 and 96: areas on a border.
        side = random.choice([8, 20, 32, 33, 60, 96, 97, 150])
        width, height = (side, side) if random.random() < 0.5 else snap(side * random.uniform(0.5, 1.5, 2))
        x, y = snap(random.uniform(0, 200, 2))
        # A mask fills only a part of its box.
        area = width * height if random.random() < 0.6 else snap(width * height * random.uniform(0.5, 1))
        crowd = random.random() < 0.1
        difficult = not crowd and random.random() < 0.1
        objects.append([label, x, y, x + width, y + height, area, crowd, difficult])
        if random.random() < 0.1:
            # The same place twice: equal overlaps.
            objects.append([label, x, y, x + width, y + height, area, False, random.random() < 0.5])
    for _ in range(found):
        score = int(random.integers(4, 64)) / 64
        if objects and random.random() < 0.75:
            label, x1, y1, x2, y2 = objects[random.integers(len(objects))][:5]
            size = np.array([x2 - x1, y2 - y1] * 2)
            moved = random.choice([0, 0.03, 0.1, 0.25]) * size * random.uniform(-1, 1, 4)
            x1, y1, x2, y2 = snap(np.array([x1, y1, x2, y2]) + moved)
            if random.random() < 0.1:
                label = int(random.integers(1, 4))
        else:
            label = int(random.choice([1, 2, 3, 5]))
            x1, y1 = snap(random.uniform(0, 200, 2))
            x2, y2 = snap([x1, y1] + random.choice([0, 8, 32, 70, 96, 140]) * random.uniform(0.5, 1, 2))
        detections.append([label, x1, y1, x2, y2, score])
    return {"objects": objects, "detections": detections}


def pictures():
    random = np.random.default_rng(5)
    counts = [(5, 9), (0, 0), (7, 12), (0, 4), (4, 0), (1, 1), (9, 20), (12, 30), (3, 6), (6, 14), (2, 5), (8, 16)]
    made = [picture(random, *count) for count in counts]
    # More of one class than are looked at, the best of them wrong.
    crowded = picture(random, 6, 260)
    for index, detection in enumerate(crowded["detections"]):
        detection[0] = 1 if index % 5 else 2
    # Half of an object exactly, and the same object whole.
    halves = {
        "objects": [[1, 0, 0, 40, 40, 1600, False, False], [3, 100, 100, 132, 132, 1024, False, False]],
        "detections": [[1, 0, 0, 40, 20, 0.75], [3, 100, 100, 132, 116, 0.75], [3, 100, 100, 132, 132, 0.75]],
    }
    # Both objects overlap the first detection the same; the second can only have the first of them.
    between = {
        "objects": [[2, 0, 0, 40, 40, 1600, False, False], [2, 20, 0, 60, 40, 1600, False, False]],
        "detections": [[2, 10, 0, 50, 40, 0.9375], [2, 0, 0, 40, 40, 0.875]],
    }
    return made + [crowded, halves, between]


def box(values):
    x1, y1, x2, y2 = values
    return [x1, y1, x2 - x1, y2 - y1]


def coco(pictures, labels):
    annotations, results = [], []
    for image, content in enumerate(pictures, 1):
        for label, *corners, area, crowd, difficult in content["objects"]:
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": box(corners),
                "area": area, "iscrowd": int(crowd), "difficult": difficult,
            })
        for label, *corners, score in content["detections"]:
            results.append({"image_id": image, "category_id": label, "bbox": box(corners), "score": score})
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image} for image in range(1, len(pictures) + 1)],
        "categories": [{"id": label, "name": name} for label, name in enumerate(CLASSES) if label],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluator = Evaluator(truth, truth.loadRes(results), "bbox")
        evaluator.params.catIds = labels
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {name: float(evaluator.stats[index]) for name, index in FIGURES.items()}


def iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])
    return inter / (area(a) + area(b) - inter) if inter else 0


def voc_class(pictures, label):
    """Over all detections at once, best first, as VOCevaldet.m goes."""
    found = [(p, d) for p, content in enumerate(pictures) for d in content["detections"] if d[0] == label]
    order = np.argsort([-d[5] for _, d in found], kind="stable")
    truths = [[o for o in content["objects"] if o[0] == label] for content in pictures]
    # VOC knows no crowds: here they are difficult.
    difficult = lambda o: o[6] or o[7]
    positives = sum(not difficult(o) for objects in truths for o in objects)
    if positives == 0:
        return -1.0
    done = [[False] * len(objects) for objects in truths]
    tp, fp = np.zeros(len(found)), np.zeros(len(found))
    for rank, index in enumerate(order):
        p, detection = found[index]
        overlaps = [iou(detection[1:5], o[1:5]) for o in truths[p]]
        # argmax: the first among equals.
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= 0.5:
            if difficult(truths[p][best]):
                continue
            if not done[p][best]:
                done[p][best] = True
                tp[rank] = 1
                continue
        fp[rank] = 1
    tp, fp = np.cumsum(tp), np.cumsum(fp)
    recall = np.concatenate([[0], tp / positives, [1]])
    precision = np.concatenate([[0], tp / np.maximum(tp + fp, 1), [0]])
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(np.sum((recall[steps] - recall[steps - 1]) * precision[steps]))


def plain(value):
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case np.bool_():
            return bool(value)
        case bool() | str() | int():
            return value
        case _:
            return int(value) if float(value).is_integer() else float(value)


def main():
    content = pictures()
    classes = []
    for label in range(1, len(CLASSES)):
        classes.append(coco(content, [label]) | {"voc_ap50": voc_class(content, label)})
    voc = [c["voc_ap50"] for c in classes if c["voc_ap50"] >= 0]
    metrics = coco(content, list(range(1, len(CLASSES)))) | {"voc_ap50": float(np.mean(voc)), "classes": classes}
    golden = plain({"class_names": CLASSES, "pictures": content, "metrics": metrics})
    file = Path(__file__).with_name("coco.json")
    file.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(file, file.stat().st_size, "bytes")
    print(json.dumps({k: v for k, v in metrics.items() if k != "classes"}))
    for c in classes:
        print(c)


if __name__ == "__main__":
    main()
