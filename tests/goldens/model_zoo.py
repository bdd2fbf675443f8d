"""Small files as detectron2's model zoo has them, and others that look like them: `model_zoo/<name>.pkl`.

Tensor `k` of the good ones holds 0.5 * index - k, in the order of their keys.
"""

import pickle

import numpy as np

AUTHOR = "Detectron2 Model Zoo"


def values(k, shape, dtype):
    return (0.5 * np.arange(int(np.prod(shape))) - k).reshape(shape).astype(dtype)


def model():
    return {
        "backbone.bottom_up.stem.conv1.weight": values(0, (2, 3, 1, 1), "float32"),
        "backbone.fpn_lateral2.bias": values(1, (5,), "float16"),
        "pixel_mean": values(2, (3, 1, 1), "float64"),
        "roi_heads.scalar": values(3, (), "float32"),
    }


class Other:
    pass


def generate(folder):
    folder = folder / "model_zoo"
    folder.mkdir(exist_ok=True)
    good = {"model": model(), "__author__": AUTHOR, "matching_heuristics": True}
    files = {f"protocol{p}": pickle.dumps(good, protocol=p) for p in (2, 3, 4)}
    # As NumPy named its module before its version 2.
    files["protocol2"] = files["protocol2"].replace(b"numpy._core.multiarray", b"numpy.core.multiarray")

    def dump(changed):
        return pickle.dumps(changed, protocol=4)

    weight = "backbone.bottom_up.stem.conv1.weight"
    of = lambda array: dump({"model": {weight: array}, "__author__": AUTHOR})
    files |= {
        "no_author": dump({"model": model()}),
        "other_author": dump({"model": model(), "__author__": "Caffe2"}),
        "no_model": dump({"weights": model(), "__author__": AUTHOR}),
        "caffe2": dump({"blobs": {"conv1_w": values(0, (2, 3), "float32")}}),
        "objects": of(np.array([1.0, None], dtype=object)),
        "integers": of(np.arange(4)),
        "swapped": of(np.arange(4, dtype=">f4")),
        "fortran": of(np.asfortranarray(values(0, (2, 3), "float32"))),
        "no_array": of(1.5),
        "scalar": of(np.float32(1.5)),
        "other_global": dump({"model": {weight: Other()}, "__author__": AUTHOR}),
        "protocol5": pickle.dumps(good, protocol=5),
    }
    # A shape that is larger than the bytes.
    files["lying"] = of(values(0, (7,), "float32")).replace(b"K\x07\x85", b"K\x08\x85")
    for name, content in files.items():
        (folder / f"{name}.pkl").write_bytes(content)
    print(f"model_zoo: {len(files)} files, {sum(map(len, files.values()))} bytes")
