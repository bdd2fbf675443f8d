"""Small files as `torch.save` writes them, with everything that a state dict may hold: `torch_files/<name>.pth`.

The k-th of the tensors `matrix`, `turned`, `row`, `half`, `brain`, `double`, `scalar`, `parameter` holds 0.5 * index - k,
row-major; `empty` holds nothing.
"""

import collections
import io
import zipfile

import torch

SHAPES = {"matrix": (2, 3), "turned": (3, 2), "row": (3,), "half": (2, 1, 2), "brain": (4,), "double": (2,), "scalar": ()}


def values(k, shape, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return (0.5 * torch.arange(count) - k).reshape(shape).to(dtype)


def state_dict():
    """Views of one storage, turned and in its middle; every width; counters, which are whole numbers."""
    # Not the first of its storage, and not all of it.
    row = torch.cat([torch.zeros(2), values(2, (3,)), torch.zeros(4)])[2:5]
    turned = values(1, (3, 2)).t().contiguous().t()
    assert not turned.is_contiguous() and row.storage_offset() == 2
    tensors = {
        "matrix": values(0, (2, 3)),
        "turned": turned,
        "row": row,
        "half": values(3, (2, 1, 2), torch.float16),
        "brain": values(4, (4,), torch.bfloat16),
        "double": values(5, (2,), torch.float64),
        "scalar": values(6, ()),
        "parameter": torch.nn.Parameter(values(7, (2, 2))),
        "empty": torch.zeros(0, 3),
        "norm.num_batches_tracked": torch.tensor(7),
    }
    tensors["again"] = tensors["matrix"]
    tensors["part"] = tensors["matrix"][1]
    ordered = collections.OrderedDict(tensors)
    # As `Module.state_dict` leaves it.
    ordered._metadata = collections.OrderedDict({"": {"version": 1}})
    return ordered


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 1)
        self.register_buffer("kept", values(0, (2,)))
        self.register_buffer("transient", values(1, (2,)), persistent=False)


def lightning(**further):
    """What a trainer keeps beside the weights; the average of the weights is one less."""
    tensors = {key: value for key, value in state_dict().items() if value.is_floating_point()}
    state = {f"model.{key}": value.float() + 1 for key, value in tensors.items()}
    state |= {f"avg_model.{key}": value for key, value in tensors.items()}
    return {
        "epoch": 3,
        "global_step": 2**40,
        "loss": 0.25,
        "state_dict": state,
        "callbacks": {io.StringIO: {"best": collections.defaultdict(list, {1: [2.0]})}},
        "optimizer_states": [{"state": {0: {"exp_avg": values(0, (2,)), "step": 1}}, "param_groups": [{"lr": 0.1}]}],
        "hyper_parameters": torch.Size([3]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        **further,
    }


def packed(content, method):
    """The same archive, its files packed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(packed, "w", method) as written:
        for name in read.namelist():
            written.writestr(zipfile.ZipInfo(name), read.read(name), method)
    return packed.getvalue()


def save(value, **options):
    content = io.BytesIO()
    torch.save(value, content, **options)
    return content.getvalue()


def generate(folder):
    folder = folder / "torch_files"
    folder.mkdir(exist_ok=True)
    module = Net()
    with torch.no_grad():
        module.inner.weight.copy_(values(2, (1, 2)))
        module.inner.bias.copy_(values(3, (1,)))
    plain = save(state_dict())
    files = {
        "plain": plain,
        "protocol4": save(state_dict(), pickle_protocol=4),
        # As before version 1.6.
        "older": save(state_dict(), _use_new_zipfile_serialization=False),
        "packed": packed(plain, zipfile.ZIP_DEFLATED),
        "bzip2": packed(plain, zipfile.ZIP_BZIP2),
        "lightning": save(lightning()),
        "module": save(module),
        "sparse": save({"sparse": torch.eye(2).to_sparse()}),
        "complex": save({"complex": torch.zeros(2, dtype=torch.complex64)}),
        "list": save([values(0, (2,))]),
    }
    for name, content in files.items():
        (folder / f"{name}.pth").write_bytes(content)
    print(f"torch_files: {len(files)} files, {sum(map(len, files.values()))} bytes")
