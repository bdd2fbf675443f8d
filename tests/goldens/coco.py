"""A made-up evaluation, and what pycocotools and a plain definition of VOC's AP make of it.

`pip install numpy pycocotools`, then `python tests/goldens/coco.py`: writes coco.json beside this file.
Boxes are in quarters of a pixel and scores in 64ths: exact in any float, and often equal.
"""

import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

WIDTH, HEIGHT = 640, 480
# What there is of each class, beside boxes at random.
CLASSES = [
    "plain",
    "crowded",  # with crowds
    "tied",  # objects in the same place, overlaps equal and exactly at the thresholds
    "unseen",  # never found
    "imagined",  # found, but never there
    "crowds only",
    "many",  # more than 100 detections in a picture
    "sized",  # areas at 32² and 96²
    "hard",  # difficult ones
    "absent",  # neither there nor found
]
random = np.random.default_rng(5)


def quarters(values):
    return [float(value) for value in np.round(np.asarray(values) * 4) / 4]


def box(least=8, most=200):
    width, height = random.uniform(least, most, 2)
    x, y = random.uniform(0, WIDTH - width), random.uniform(0, HEIGHT - height)
    return quarters([x, y, x + width, y + height])


def moved(box, by):
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    shift = random.uniform(-by, by, 4) * [width, height, width, height]
    moved = np.asarray(box) + shift
    return quarters([*moved[:2], *np.maximum(moved[2:], moved[:2] + 1)])


def score():
    return int(random.integers(1, 65)) / 64


def thing(box, name, area=None, crowd=False, difficult=False):
    own = (box[2] - box[0]) * (box[3] - box[1])
    label = CLASSES.index(name) + 1
    return dict(box=box, label=label, area=own if area is None else area, crowd=crowd, difficult=difficult)


def found(box, name, at=None):
    return dict(box=box, label=CLASSES.index(name) + 1, score=score() if at is None else at)


def picture(index):
    """Objects and detections of one picture."""
    objects, detections = [], []
    for name in ["plain", "crowded", "tied", "unseen", "many", "sized", "hard"]:
        for _ in range(random.integers(0, 5)):
            there = box()
            outline = quarters([random.uniform(0.3, 1.0) * thing(there, name)["area"]])[0]
            hard = name == "hard" and random.random() < 0.5
            objects.append(thing(there, name, outline if random.random() < 0.5 else None, difficult=hard))
            for _ in range(random.integers(0, 4)):
                if name != "unseen":
                    detections.append(found(moved(there, random.uniform(0, 0.25)), name))
        if name != "unseen":
            detections += [found(box(), name) for _ in range(random.integers(0, 3))]
    for name in ["crowded", "crowds only"]:
        for _ in range(random.integers(0, 3)):
            crowd = box(100, 400)
            objects.insert(random.integers(0, len(objects) + 1), thing(crowd, name, crowd=True))
            detections += [found(moved(crowd, 0.4), name) for _ in range(4)]
            detections.append(found(quarters(np.asarray(crowd) * 0.5 + np.tile(crowd[:2], 2) * 0.5), name))
    detections += [found(box(), "imagined") for _ in range(random.integers(0, 3))]
    # Overlaps of 0.50, 0.55, …, with nothing, but for rounding, between them and the thresholds.
    x, y = 40 * index, 20
    for step in range(10, 21, 1 + index % 3):
        objects.append(thing([x, y, x + 20, y + 20], "tied"))
        detections.append(found([x, y, x + 20, y + step], "tied"))
        y += 30
    # As much of one as of the other; the same object twice, found twice.
    objects += [thing([x, y, x + 40, y + 40], "tied", 900.0), thing([x + 20, y, x + 60, y + 40], "tied")]
    detections += [found([x + 10, y, x + 50, y + 40], "tied", 0.5)] * 2
    there = box(20, 90)
    objects += [thing(there, "tied", 2000.0), thing(there, "tied", 20.0)]
    detections += [found(there, "tied", 0.5), found(moved(there, 0.1), "tied", 0.5)]
    for side in [32, 96]:
        for more in [-0.25, 0.0, 0.25]:
            x, y = quarters(random.uniform(0, 300, 2))
            there = [x, y, x + side, y + side + more]
            objects.append(thing(there, "sized"))
            detections.append(found(moved(there, 0.05), "sized"))
            detections.append(found([x, y, x + side, y + side], "sized"))
            # Found nowhere: it counts where its own area is asked for.
            detections.append(found([x + 300, y, x + 300 + side, y + side + more], "sized"))
    order = random.permutation(len(detections))
    return dict(objects=objects, found=[detections[place] for place in order])


def pictures():
    pictures = [picture(index) for index in range(8)]
    nothing = dict(objects=[], found=[])
    only_found = dict(objects=[], found=picture(3)["found"][::3])
    only_there = dict(objects=picture(4)["objects"], found=[])
    many = picture(5)
    there = [box(20, 60) for _ in range(12)]
    many["objects"] += [thing(box, "many") for box in there]
    many["found"] += [found(moved(there[place % 12], 0.3), "many") for place in range(140)]
    return [nothing, *pictures[:4], only_found, nothing, many, *pictures[4:], only_there]


def corner_and_size(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def coco(pictures):
    """pycocotools' twelve figures, and AP and AP50 of each class, -1 where there is none."""
    annotations, results = [], []
    for image, picture in enumerate(pictures, 1):
        for there in picture["objects"]:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=there["label"],
                    bbox=corner_and_size(there["box"]),
                    area=there["area"],
                    iscrowd=int(there["crowd"]),
                )
            )
        for seen in picture["found"]:
            bbox = corner_and_size(seen["box"])
            results.append(dict(image_id=image, category_id=seen["label"], bbox=bbox, score=seen["score"]))
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=image, width=WIDTH, height=HEIGHT) for image in range(1, len(pictures) + 1)],
        annotations=annotations,
        categories=[dict(id=label, name=name) for label, name in enumerate(CLASSES, 1)],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # Overlap, recall, class, size, most detections.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    per_class = [[float(precision[:, :, k].mean()), float(precision[0, :, k].mean())] for k in range(len(CLASSES))]
    return [float(figure) for figure in evaluation.stats], per_class


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return width * height / (area(a) + area(b) - width * height)


def voc_ap50(pictures, label):
    """VOC's AP as its development kit defines it since 2010; -1 where nothing is asked for."""
    ranked = [
        (seen["score"], image, seen["box"])
        for image, picture in enumerate(pictures)
        for seen in picture["found"]
        if seen["label"] == label
    ]
    ranked.sort(key=lambda one: -one[0])
    truth = [[there for there in picture["objects"] if there["label"] == label] for picture in pictures]
    excused = lambda there: there["difficult"] or there["crowd"]
    asked = sum(not excused(there) for objects in truth for there in objects)
    if asked == 0:
        return -1.0
    used, outcome = set(), []
    for _, image, seen in ranked:
        overlaps = [overlap(seen, there["box"]) for there in truth[image]]
        best = int(np.argmax(overlaps)) if overlaps else None
        if best is None or overlaps[best] < 0.5:
            outcome.append(False)
        elif not excused(truth[image][best]):
            outcome.append((image, best) not in used)
            used.add((image, best))
    hits = np.cumsum(outcome)
    recall = np.concatenate([[0.0], hits / asked, [1.0]])
    precision = np.concatenate([[0.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision[1:]))


def main():
    made = pictures()
    stats, per_class = coco(made)
    golden = dict(
        class_names=["background", *CLASSES],
        pictures=[
            dict(
                objects=[
                    [*there["box"], there["label"], there["area"], there["crowd"], there["difficult"]]
                    for there in picture["objects"]
                ],
                found=[[*seen["box"], seen["label"], seen["score"]] for seen in picture["found"]],
            )
            for picture in made
        ],
        stats=stats,
        classes=[
            dict(ap=ap, ap50=ap50, voc_ap50=voc_ap50(made, label))
            for label, (ap, ap50) in enumerate(per_class, 1)
        ],
    )
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
