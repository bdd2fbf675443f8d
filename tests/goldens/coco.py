"""Makes `coco.json`: detections in generated pictures, and how good pycocotools and VOC's kit say they are.

    pip install numpy pycocotools
    python tests/goldens/coco.py

Coordinates are multiples of 1/4 and scores of 1/64, so that f32 holds them exactly and ties are frequent. An object
is [label, x1, y1, x2, y2, area, crowd, difficult], a detection [label, x1, y1, x2, y2, score]. `metrics` are
pycocotools' figures for the set (-1: there is none) and VOC's AP50 by its definition; `classes` the same of each class.

`segm` and `keypoints` have pictures and metrics of their own. By masks an object is [label, area, crowd, difficult,
runs], a detection [label, score, runs], in pictures of `size` (height, width); by keypoints an object is [label, x1,
y1, x2, y2, area, crowd, num_keypoints, keypoints], a detection [label, score, keypoints], the keypoints flat: 17 times
x, y and visibility or score. Results have nothing but these: with a box, pycocotools takes a detection's size from it.

pycocotools has no difficult objects and throws `ignore` away; `Evaluator` below gives them the flag that it uses
itself for objects to ignore.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools import mask as masks
from pycocotools.cocoeval import COCOeval

FIGURES = {
    "bbox": {"ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5, "ar100": 8},
    "segm": {"ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5, "ar": 8},
    "keypoints": {"ap": 0, "ap50": 1, "ap75": 2, "ap_medium": 3, "ap_large": 4, "ar": 5},
}
CLASSES = ["background", "apple", "pear", "cherry", "never there", "only found"]


class Evaluator(COCOeval):
    def _prepare(self):
        super()._prepare()
        for objects in self._gts.values():
            for item in objects:
                item["ignore"] = int(item["ignore"] or item.get("difficult", False))


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
                "image_id": image, "category_id": label, "bbox": box(corners),
                "area": area, "iscrowd": int(crowd), "difficult": difficult,
            })
        for label, *corners, score in content["detections"]:
            results.append({"image_id": image, "category_id": label, "bbox": box(corners), "score": score})
    return figures("bbox", pictures, annotations, results, labels)


def figures(kind, pictures, annotations, results, labels):
    truth = COCO()
    truth.dataset = {
        "images": [
            {"id": image} | dict(zip(["height", "width"], content.get("size", [])))
            for image, content in enumerate(pictures, 1)
        ],
        "categories": [{"id": label, "name": name} for label, name in enumerate(CLASSES) if label],
        "annotations": [annotation | {"id": index} for index, annotation in enumerate(annotations, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluator = Evaluator(truth, truth.loadRes(results), kind)
        evaluator.params.catIds = labels
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {name: float(evaluator.stats[index]) for name, index in FIGURES[kind].items()}


SIZE = [150, 180]


def runs(bitmap):
    return masks.encode(np.asfortranarray(bitmap.astype(np.uint8)))["counts"].decode()


def blob(x, y, width, height, is_round):
    down, across = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    dx, dy = (across - x) / (width / 2) - 1, (down - y) / (height / 2) - 1
    return np.hypot(dx, dy) < 1 if is_round else (abs(dx) < 1) & (abs(dy) < 1)


def masked(random, count, found):
    objects, detections, blobs = [], [], []
    for _ in range(count):
        label = int(random.integers(1, 4))
        # Squares of exactly 32 and 96 pixels: areas on a border.
        side = random.choice([8, 20, 32, 33, 60, 96, 97, 110])
        width, height = (side, side) if random.random() < 0.5 else np.round(side * random.uniform(0.5, 1.3, 2))
        place = [*np.round(random.uniform(-10, 120, 2)), width, height, random.random() < 0.5]
        bitmap = blob(*place)
        crowd = random.random() < 0.12
        difficult = not crowd and random.random() < 0.1
        area = int(bitmap.sum()) if random.random() < 0.7 else int(width * height)
        objects.append([label, area, crowd, difficult, runs(bitmap)])
        blobs.append((label, place))
    for _ in range(found):
        score = int(random.integers(4, 64)) / 64
        label, place = int(random.choice([1, 2, 3, 5])), [*random.uniform(0, 120, 2), *random.uniform(0, 100, 2), True]
        if blobs and random.random() < 0.8:
            label, (x, y, width, height, is_round) = blobs[random.integers(len(blobs))]
            moved = random.choice([0, 0.03, 0.1, 0.2]) * np.array([width, height] * 2) * random.uniform(-1, 1, 4)
            place = [*(np.array([x, y, width, height]) + moved), is_round]
        bitmap = blob(*place)
        if random.random() < 0.1:
            bitmap[:] = False
        detections.append([label, score, runs(bitmap)])
    return {"size": SIZE, "objects": objects, "detections": detections}


def masked_pictures():
    random = np.random.default_rng(11)
    counts = [(5, 9), (0, 0), (7, 12), (0, 4), (4, 0), (1, 1), (9, 20), (10, 25), (3, 6), (6, 14)]
    made = [masked(random, *count) for count in counts]
    whole, half, other = blob(0, 0, 40, 40, False), blob(0, 0, 40, 20, False), blob(20, 0, 40, 40, False)
    nothing = np.zeros(SIZE, bool)
    # Half of an object exactly; one that is there and has no pixels; equal overlaps with two.
    half = {"size": SIZE, "objects": [[1, 1600, False, False, runs(whole)]], "detections": [[1, 0.75, runs(half)]]}
    empty = {
        "size": SIZE,
        "objects": [[2, 100, False, False, runs(nothing)], [3, 100, True, False, runs(nothing)]],
        "detections": [[2, 0.5, runs(nothing)], [3, 0.5, runs(nothing)]],
    }
    between = {
        "size": SIZE,
        "objects": [[2, 1600, False, False, runs(whole)], [2, 1600, False, False, runs(other)]],
        "detections": [[2, 0.9375, runs(blob(10, 0, 40, 40, False))], [2, 0.875, runs(whole)]],
    }
    # More of one class than are looked at.
    many = [[1, int(random.integers(4, 64)) / 64, runs(blob(index, 3, 9, 9, False))] for index in range(130)]
    crowded = {"size": SIZE, "objects": [[1, 81, False, False, runs(blob(7, 3, 9, 9, False))]], "detections": many}
    return made + [half, empty, between, crowded]


def coco_masks(pictures, labels):
    annotations, results = [], []
    segmentation = lambda counts: {"size": SIZE, "counts": counts}
    for image, content in enumerate(pictures, 1):
        for label, area, crowd, difficult, counts in content["objects"]:
            annotations.append({
                "image_id": image, "category_id": label, "segmentation": segmentation(counts),
                "area": area, "iscrowd": int(crowd), "difficult": difficult,
            })
        for label, score, counts in content["detections"]:
            results.append({
                "image_id": image, "category_id": label, "segmentation": segmentation(counts), "score": score,
            })
    return figures("segm", pictures, annotations, results, labels)


def people(random, count, found):
    sigmas = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    objects, detections = [], []
    for _ in range(count):
        label = int(random.choice([1, 1, 1, 2]))
        width, height = random.choice([20, 32, 60, 96, 150]) * np.array([1, random.choice([1, 1.5])])
        x, y = snap(random.uniform(0, 200, 2))
        area = width * height if random.random() < 0.6 else snap(width * height * random.uniform(0.4, 1))
        crowd = random.random() < 0.1
        points = snap(random.uniform(0, 1, (17, 2)) * [width, height] + [x, y])
        seen = random.choice([0, 1, 2], 17) if random.random() < 0.8 else np.zeros(17)
        points[seen == 0] = 0
        labelled = int(np.count_nonzero(seen))
        # A file may count otherwise than there are.
        if random.random() < 0.1:
            labelled = 0 if labelled else 3
        keypoints = np.column_stack([points, seen]).flatten().tolist()
        objects.append([label, x, y, x + width, y + height, area, crowd, labelled, keypoints])
    for _ in range(found):
        score = int(random.integers(4, 64)) / 64
        label, points = int(random.choice([1, 2, 5])), snap(random.uniform(0, 250, (17, 2)))
        if objects and random.random() < 0.85:
            label, x1, y1, x2, y2, area, _, _, there = objects[random.integers(len(objects))]
            points = np.array(there).reshape(17, 3)[:, :2]
            beside = random.uniform([x1, y1], [x2, y2], (17, 2)) + random.choice([0, x2 - x1, 2 * (x2 - x1)])
            points = np.where(points == 0, beside, points)
            spread = random.choice([0, 0.4, 0.8, 1.3, 2]) * sigmas * area**0.5
            points = snap(points + random.normal(0, 1, (17, 2)) * spread[:, None])
        keypoints = np.column_stack([points, np.ones(17)]).flatten().tolist()
        detections.append([label, score, keypoints])
    return {"objects": objects, "detections": detections}


def people_pictures():
    random = np.random.default_rng(13)
    counts = [(4, 7), (0, 0), (6, 9), (0, 3), (3, 0), (1, 1), (5, 12), (4, 6), (7, 9)]
    # The last has more detections than are looked at.
    return [people(random, *count) for count in counts] + [people(random, 3, 34)]


def coco_keypoints(pictures, labels):
    annotations, results = [], []
    for image, content in enumerate(pictures, 1):
        for label, x1, y1, x2, y2, area, crowd, labelled, keypoints in content["objects"]:
            annotations.append({
                "image_id": image, "category_id": label, "bbox": box([x1, y1, x2, y2]), "area": area,
                "iscrowd": int(crowd), "num_keypoints": labelled, "keypoints": keypoints,
            })
        for label, score, keypoints in content["detections"]:
            results.append({"image_id": image, "category_id": label, "keypoints": keypoints, "score": score})
    return figures("keypoints", pictures, annotations, results, labels)


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
    golden = {"class_names": CLASSES, "pictures": content, "metrics": metrics}
    for kind, content, measure in [
        ("segm", masked_pictures(), coco_masks), ("keypoints", people_pictures(), coco_keypoints)
    ]:
        classes = [measure(content, [label]) for label in range(1, len(CLASSES))]
        figures = measure(content, list(range(1, len(CLASSES)))) | {"classes": classes}
        golden[kind] = {"pictures": content, "metrics": figures}
        print(kind, figures)
    golden = plain(golden)
    file = Path(__file__).with_name("coco.json")
    file.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(file, file.stat().st_size, "bytes")
    print(json.dumps({k: v for k, v in metrics.items() if k != "classes"}))
    for c in classes:
        print(c)


if __name__ == "__main__":
    main()
