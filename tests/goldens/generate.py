"""Makes the golden files of this folder. Run by hand; needs torch, torchvision and numpy; `detectron2.py` needs Pillow,
`resizers.py` Pillow and OpenCV:

    python tests/goldens/generate.py [--only NAME]...

NAME is a file's name without its ending, or the beginning of it (`ops`, `retinaface`, `frcnn_resnet50_s2`).

Weights and pictures come from `generator.py`: they are functions of a seed, and no file holds them. The same
versions of torch on the same machine make the same bytes.

- `frcnn_<arch>_s<seed>` (`faster_rcnn.py`): `boxes`, `scores`, `labels` in the picture's coordinates; `proposals`,
  the RPN's final boxes in the resized picture's; `margin.*`, how near the nearest decision of each kind was (inf:
  there was none); and of every stage `<stage>.shape` and `<stage>.sample`, at most 256 values at the flat indices
  floor((2k+1) N / 2n) of the contiguous NCHW tensor. Stages: `image`, `c2`..`c5`, `p2`..`p6`,
  `rpn.logits.2`..`6`, `rpn.deltas.2`..`6`, `roi_features`, `box_features`, `class_logits`, `box_deltas`.
  Of models other than `fasterrcnn_resnet<depth>_fpn` the metadata tells the whole name, `model`. MobileNet's maps are
  `c4`, `c5` and `p4`..`p6`, and `margin.rpn_score` is of its RPN's least score.
- `retinanet_<...>_s<seed>`, `fcos_<...>_s<seed>` (`one_stage.py`): `boxes`, `scores`, `labels`, and `levels` (3 to 7);
  `margin.*`; stages `image`, `c3`..`c5`, `p3`..`p7`, and the heads' maps, logits `class.3`..`7`, `box.3`..`7` (FCOS's
  are distances, after the ReLU) and FCOS's logits `centreness.3`..`7`.
- `maskrcnn_<...>_s<seed>`, `keypointrcnn_<...>_s<seed>` (`masks_keypoints.py`): as `frcnn`, and `resized_boxes`, the
  detections' in the resized picture's coordinates; the stages `mask_features` and `mask_logits`, or
  `keypoint_features` and `keypoint_logits` (after the bilinear step), one row a detection. `mask_probabilities`
  [D, 28, 28] of each detection's own class; `masks` [D, ceil(H W / 8)], the picture's pixels row by row, the first in
  the highest bit, 1 where the pasted mask is 0.5 or more: `near_pixels` of the metadata are nearer than `near` to that.
  `keypoints` [D, 17, 3] (x, y, 1) in the picture's coordinates, and `keypoints_scores` [D, 17].
- `retinaface_s<seed>` (`retinaface.py`): `boxes`, `scores`, `landmarks` (x, y of five points), `levels` (3, 4, 5 for
  the strides 8, 16, 32); stages `p3`..`p5` (after the merges, before SSH), `ssh3`..`ssh5`, `class.3`..`class.5`,
  `bbox.*`, `landmark.*` (the heads' maps).
- `fpn_<arch>_s<seed>`, `fpn_<arch>_bilinear_s<seed>` (`fpn_resnet.py`): the tutorials' pyramid, handed down by
  nearest and by bilinear resizing. Stages: `image` (not resized, not padded), `c2`..`c5`, `p2`..`p5`.
- `c4_<arch>_s<seed>` (`faster_rcnn_c4.py`): as `frcnn`, on a single map. Stages: `image`, `c2`..`c4`, `rpn.scores`
  (probabilities), `rpn.deltas`, `roi_features`, `class_logits`, `box_deltas`.
- `d2_<depth>_s<seed>`, `efpn_<depth>_s<seed>` (`detectron2.py`): as `frcnn_<arch>_s<seed>`, of detectron2's model and
  of EFPN, whose levels go up to `c6` and `p7`.
- `ops` (`ops.py`): inputs and outputs of single operations. `upsample_bilinear`: a coarse map, a fine one, and the fine
  one plus the coarse one resized to its size, for each of the metadata's `cases`: `<case>.coarse`, `.fine`, `.output`.
  `pixel_shuffle`: `<case>.input`, `<case>.output`. `roi_pool`: `input`, `boxes`, `output.<rows>x<columns>`.
- `resizers` (`resizers.py`): sizes and samples of pictures resized by Pillow, by OpenCV, and warped as NanoDet does.
- `nanodet_<variant>_s<seed>` (`nanodet.py`): `boxes`, `scores`, `labels` (from 0), `levels`; stages `image`, `c3`..`c5`,
  `p3`..`p5` or `p6`, `out3`.. (class logits, then distributions).
- `window_attention`, `hat`, `ftt` (`hat.py`): attention within windows, HAT's parts, and the forms of EFPN's feature
  texture transfer: `<case>.shape` and `<case>.sample` of what comes out.
- `model_zoo/` (`model_zoo.py`): files as detectron2's model zoo has them, and such as are refused.
- `torch_files/` (`torch_files.py`): files as `torch.save` writes them, and such as are refused.
- `train`, `train_step` (`train.py`): the parts of training, and one step of it. `train_step_detectron2`,
  `train_step_efpn`, `train_step_ftt` (`train_detectron2.py`), `train_step_c4` (`train_c4.py`): one step of the others.

A detector's case is refused if a decision of the head is within 2e-5 of its threshold, or if detections change with
the input moved by 1e-6 of itself or with arithmetic in f64: then it takes another picture size. (Sizes such as 335x251
and 433x640 were found so.) So is one where a side of a mask's or a keypoint's box is within 1e-3 of where it is cut, or
a heat map's best value is less than 1e-4 better than the next. A pyramid's case is refused if a stage in f32 is more
than 5e-6 of its largest value from what it is in f64.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision

import detectron2
import faster_rcnn
import faster_rcnn_c4
import fpn_resnet
import generator
import hat
import masks_keypoints
import model_zoo
import nanodet
import one_stage
import ops
import resizers
import retinaface
import torch_files
import train
import train_c4
import train_detectron2

FOLDER = Path(__file__).resolve().parent

# (seed, height, width)
FACES = [(1, 161, 243), (2, 320, 264), (3, 97, 64)]


def generate_faces(seed, height, width, folder):
    settings = {"threshold": 0.5, "pre_nms": 5000, "nms_threshold": 0.4, "keep": 750}
    model = retinaface.RetinaFace().eval()
    state = model.state_dict()
    for name in state:
        if not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(generator.parameter(seed, name, tuple(state[name].shape)))
    model.load_state_dict(state, strict=True)
    x = retinaface.prepare(generator.picture(seed, height, width))

    def detect(x):
        maps = model(x)
        return maps, *retinaface.decode(maps, height, width, **settings)

    maps, faces, decisions = detect(x)
    boxes, scores = decisions["candidates"]
    one_class = torch.zeros(len(scores), dtype=torch.int64)
    kept = torchvision.ops.nms(boxes, scores, settings["nms_threshold"])
    margin = {
        "margin.score": float((decisions["scores"] - settings["threshold"]).abs().min()),
        "margin.nms": faster_rcnn.nms_margin(boxes, scores, one_class, settings["nms_threshold"]),
        "margin.top": faster_rcnn.cut_margin(scores[kept], settings["keep"]),
    }

    def labelled(faces):
        return faces | {"labels": faces["levels"]}

    moved = 0
    for i in range(3):
        noise = torch.from_numpy(generator.values(seed, f"perturbation.{i}", tuple(x.shape)))
        moved += faster_rcnn.unmatched(labelled(faces), labelled(detect(x * (1 + 1e-6 * noise))[1]))
    model.double()
    moved += faster_rcnn.unmatched(labelled(faces), labelled(detect(x.double())[1]))
    name = f"retinaface_s{seed}"
    print(
        f"{name}: {height}x{width}, {len(faces['scores'])} faces on levels {faces['levels'].bincount()[3:].tolist()}, "
        f"unstable {moved}, " + ", ".join(f"{k[7:]} {v:.1e}" for k, v in margin.items())
    )
    if moved or min(margin.values()) < faster_rcnn.MARGIN:
        raise SystemExit(f"{name} is fragile: choose another picture size")

    out = {k: t.numpy() for k, t in faces.items()}
    out |= {k: np.array([v], dtype=np.float32) for k, v in margin.items()}
    out |= generator.sampled(maps)
    metadata = {"seed": seed, "height": height, "width": width, "torch": torch.__version__} | settings
    generator.save(folder / f"{name}.safetensors", out, metadata | {"torchvision": torchvision.__version__})


def main():
    parser = argparse.ArgumentParser(description="Makes the golden files of this folder.")
    parser.add_argument("--only", action="append", metavar="NAME", help="only the files whose names begin so")
    parser.add_argument("--out", type=Path, default=FOLDER, help="another folder to write to")
    arguments = parser.parse_args()

    jobs = {
        "ops": lambda: ops.generate(arguments.out),
        "upsample_bilinear": lambda: ops.generate_upsample_bilinear(arguments.out),
        "pixel_shuffle": lambda: ops.generate_pixel_shuffle(arguments.out),
        "model_zoo": lambda: model_zoo.generate(arguments.out),
        "torch_files": lambda: torch_files.generate(arguments.out),
        "resizers": lambda: resizers.generate(arguments.out),
        "window_attention": lambda: hat.generate_window_attention(arguments.out),
        "hat": lambda: hat.generate_hat(arguments.out),
        "ftt": lambda: hat.generate_ftt(arguments.out),
        "roi_pool": lambda: ops.generate_roi_pool(arguments.out),
        "train": lambda: train.part_goldens(arguments.out),
        "train_step": lambda: train.step_goldens(arguments.out),
        "train_step_c4": lambda: train_c4.generate(arguments.out),
        "train_step_ftt": lambda: train_detectron2.generate_ftt(arguments.out),
    }
    for case in train_detectron2.CASES:
        jobs[case.name] = lambda case=case: train_detectron2.generate(case, arguments.out)
    for face in FACES:
        jobs[f"retinaface_s{face[0]}"] = lambda face=face: generate_faces(*face, arguments.out)
    for case in faster_rcnn.CASES:
        jobs[case.name] = lambda case=case: faster_rcnn.generate(case, arguments.out)
    for case in masks_keypoints.CASES:
        jobs[case.name] = lambda case=case: masks_keypoints.generate(case, arguments.out)
    for case in one_stage.CASES:
        jobs[case.name] = lambda case=case: one_stage.generate(case, arguments.out)
    for case in detectron2.CASES:
        jobs[case.name] = lambda case=case: detectron2.generate(case, arguments.out)
    for case in faster_rcnn_c4.CASES:
        jobs[case.name] = lambda case=case: faster_rcnn_c4.generate(case, arguments.out)
    for case in nanodet.CASES:
        jobs[case.name] = lambda case=case: nanodet.generate(case, arguments.out)
    for case in fpn_resnet.CASES:
        jobs[case.name] = lambda case=case: fpn_resnet.generate(case, arguments.out)

    chosen = [n for n in jobs if not arguments.only or any(n.startswith(o) for o in arguments.only)]
    if not chosen:
        sys.exit(f"no such golden; there are: {', '.join(jobs)}")
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    for name in chosen:
        jobs[name]()


if __name__ == "__main__":
    main()
