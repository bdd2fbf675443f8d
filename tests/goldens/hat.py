"""Goldens of HAT's parts and of the forms of EFPN's feature texture transfer, rebuilt here in PyTorch.

Three files: `window_attention` (the operation alone), `hat` (HAT's parts), `ftt` (the forms). Each names its cases in
the metadata. Inputs are `generator.values(SEED, "<case>.<input>", shape)` (queries, keys and values three times that),
weights `generator.parameter(SEED, "<case>.<key>", shape)` by the key within the part; `<case>.shape` and
`<case>.sample` are the output's; `<case>.qkv_gradient` and `<case>.bias_gradient` samples of what is learnt from a
gradient `<case>.gradient`. The metadata's `<case>` holds what the case is made of, as `name=number` joined by blanks.

Cases of `hat` have `[1, C, H, W]` as input and output, whatever the part computes over.
"""

import torch
import torch.nn.functional as F
from torch import nn

import generator

SEED = 11
# f32 may differ from f64 by this of the largest value.
ROUNDING = 5e-6

FTT_PARAMETERS = {"conv1x1": 3_014_656, "residual": 31_857_408, "hat": 6_335_780}


def values(name, *shape, scale=1.0):
    return torch.from_numpy(generator.values(SEED, name, shape, scale=scale))


def windows_of(x, n):
    """[B, H, W, C] to [B * windows, n * n, C]."""
    b, h, w, c = x.shape
    return x.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)


def map_of(windows, n, h, w):
    """[windows, n * n, C] to [1, H, W, C]."""
    c = windows.shape[-1]
    return windows.view(1, h // n, w // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(1, h, w, c)


def heads_of(x, heads):
    """[windows, cells, C] to [windows, heads, cells, C / heads]."""
    b, cells, c = x.shape
    return x.view(b, cells, heads, c // heads).permute(0, 2, 1, 3)


def weighted(q, k, v, bias, mask=None):
    """[windows, heads, cells, depth] each to [windows, cells, C]."""
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1) + bias
    if mask is not None:
        scores = scores + mask[:, None]
    seen = torch.softmax(scores, -1) @ v
    return seen.permute(0, 2, 1, 3).flatten(2)


def mask_of(h, w, n, shift):
    """[windows, cells, cells]: -100 between cells of different zones."""
    zones = torch.zeros(1, h, w, 1)
    cuts = (slice(0, -n), slice(-n, -shift), slice(-shift, None))
    for i, rows in enumerate(cuts):
        for j, columns in enumerate(cuts):
            zones[:, rows, columns] = 3 * i + j
    zones = windows_of(zones, n).squeeze(-1)
    return (zones[:, :, None] != zones[:, None]).float() * -100.0


def cells_of(n):
    return torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")).flatten(1)


def own_positions(n):
    """[queries, keys]: rows of the bias table within a window."""
    cells = cells_of(n)
    apart = cells[:, :, None] - cells[:, None] + n - 1
    return apart[0] * (2 * n - 1) + apart[1]


def overlapping_positions(n, m):
    """[queries, keys]: rows of the bias table of overlapping windows, negative ones too."""
    apart = cells_of(m)[:, None] - cells_of(n)[:, :, None] + n - m + 1
    return apart[0] * (n + m - 1) + apart[1]


def bias_of(table, positions):
    return table[positions.reshape(-1)].view(*positions.shape, -1).permute(2, 0, 1)


def shifted_attention(qkv, table, heads, n, shift):
    """qkv [1, H, W, 3 C] to [1, H, W, C]."""
    _, h, w, _ = qkv.shape
    if shift:
        qkv = torch.roll(qkv, (-shift, -shift), (1, 2))
    q, k, v = (heads_of(part, heads) for part in windows_of(qkv, n).chunk(3, -1))
    mask = mask_of(h, w, n, shift).to(qkv.dtype) if shift else None
    seen = map_of(weighted(q, k, v, bias_of(table, own_positions(n)), mask), n, h, w)
    return torch.roll(seen, (shift, shift), (1, 2)) if shift else seen


def overlapping_attention(qkv, table, heads, n, m):
    _, h, w, all = qkv.shape
    c = all // 3
    q, keys_and_values = qkv.split([c, 2 * c], -1)
    unfolded = F.unfold(keys_and_values.permute(0, 3, 1, 2), m, stride=n, padding=(m - n) // 2)
    unfolded = unfolded.view(2 * c, m * m, -1).permute(2, 1, 0)
    k, v = (heads_of(part.contiguous(), heads) for part in unfolded.chunk(2, -1))
    q = heads_of(windows_of(q, n), heads)
    return map_of(weighted(q, k, v, bias_of(table, overlapping_positions(n, m))), n, h, w)


class WindowAttention(nn.Module):
    def __init__(self, c, n, heads):
        super().__init__()
        self.n, self.heads = n, heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * n - 1) ** 2, heads))
        self.qkv = nn.Linear(c, 3 * c)
        self.proj = nn.Linear(c, c)

    def forward(self, x, shift=0):
        return self.proj(shifted_attention(self.qkv(x), self.relative_position_bias_table, self.heads, self.n, shift))


class ChannelAttention(nn.Module):
    def __init__(self, c, squeeze):
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c // squeeze, 1), nn.ReLU(), nn.Conv2d(c // squeeze, c, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.attention(x)


class Cab(nn.Module):
    def __init__(self, c, compress=3, squeeze=30):
        super().__init__()
        self.cab = nn.Sequential(
            nn.Conv2d(c, c // compress, 3, 1, 1),
            nn.GELU(),
            nn.Conv2d(c // compress, c, 3, 1, 1),
            ChannelAttention(c, squeeze),
        )

    def forward(self, x):
        return self.cab(x)


class Mlp(nn.Module):
    def __init__(self, c, ratio=2):
        super().__init__()
        self.fc1 = nn.Linear(c, ratio * c)
        self.fc2 = nn.Linear(ratio * c, c)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Hab(nn.Module):
    def __init__(self, c, n, heads, shift, squeeze=30):
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(c)
        self.attn = WindowAttention(c, n, heads)
        self.conv_block = Cab(c, squeeze=squeeze)
        self.norm2 = nn.LayerNorm(c)
        self.mlp = Mlp(c)

    def forward(self, x):
        z = self.norm1(x)
        by_channels = self.conv_block(z.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self.attn(z, self.shift) + 0.01 * by_channels
        return x + self.mlp(self.norm2(x))


class Ocab(nn.Module):
    def __init__(self, c, n, heads):
        super().__init__()
        self.n, self.m, self.heads = n, n + n // 2, heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((n + self.m - 1) ** 2, heads))
        self.norm1 = nn.LayerNorm(c)
        self.qkv = nn.Linear(c, 3 * c)
        self.proj = nn.Linear(c, c)
        self.norm2 = nn.LayerNorm(c)
        self.mlp = Mlp(c)

    def forward(self, x):
        qkv = self.qkv(self.norm1(x))
        x = x + self.proj(overlapping_attention(qkv, self.relative_position_bias_table, self.heads, self.n, self.m))
        return x + self.mlp(self.norm2(x))


class Blocks(nn.Module):
    def __init__(self, c, n, heads, squeeze):
        super().__init__()
        self.blocks = nn.ModuleList([Hab(c, n, heads, shift, squeeze) for shift in (0, n // 2)])
        self.overlap_attn = Ocab(c, n, heads)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.overlap_attn(x)


class Rhag(nn.Module):
    """[1, C, H, W], of any size."""

    def __init__(self, c, n, heads, squeeze=30):
        super().__init__()
        self.n = n
        self.residual_group = Blocks(c, n, heads, squeeze)
        self.conv = nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x):
        h, w = x.shape[-2:]
        x = F.pad(x, (0, -w % self.n, 0, -h % self.n))
        y = self.residual_group(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return (self.conv(y) + x)[..., :h, :w]


class PatchMerging(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.LayerNorm(4 * c)
        self.reduction = nn.Linear(4 * c, 2 * c, bias=False)

    def forward(self, x):
        parts = [x[:, y::2, x0::2] for y, x0 in ((0, 0), (1, 0), (0, 1), (1, 1))]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Over(nn.Module):
    """A part over [1, H, W, C] as one over maps."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def extractor(c, names):
    part = nn.Module()
    for name, (c_in, c_out) in names.items():
        setattr(part, name, nn.Conv2d(c_in, c_out, 1, bias=False))
    return part


class Conv1x1Ftt(nn.Module):
    def __init__(self):
        super().__init__()
        self.channel_scaler = nn.Conv2d(256, 1024, 1, bias=False)
        self.content_extractor = extractor(1024, {"conv1": (1024, 1024), "conv2": (1024, 1024)})
        self.texture_extractor = extractor(512, {"conv1": (512, 512), "conv2": (512, 512), "conv3": (512, 256)})

    def forward(self, coarse, fine):
        x = self.channel_scaler(coarse)
        for _ in range(3):
            x = F.relu(self.content_extractor.conv2(F.relu(self.content_extractor.conv1(x))))
        content = F.pixel_shuffle(x, 2)
        x = torch.cat([content, fine], 1)
        for _ in range(3):
            x = F.relu(self.texture_extractor.conv2(F.relu(self.texture_extractor.conv1(x))))
        return content + F.relu(self.texture_extractor.conv3(x))


class ResidualBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(), nn.Conv2d(c, c, 3, 1, 1))

    def forward(self, x):
        return F.relu(x + self.conv_block(x))


class ResidualFtt(nn.Module):
    def __init__(self):
        super().__init__()

        def conv(c_in, c_out):
            return nn.Conv2d(c_in, c_out, 3, 1, 1)

        self.content_extractor = nn.Module()
        self.content_extractor.content_head = nn.Sequential(conv(256, 512), nn.LeakyReLU(0.1))
        self.content_extractor.content_body = nn.Sequential(ResidualBlock(512))
        self.sub_pixel = nn.Sequential(conv(512, 2048), nn.PixelShuffle(2), nn.LeakyReLU(0.1))
        self.texture_extractor = nn.Module()
        self.texture_extractor.texture_head = nn.Sequential(conv(768, 512), nn.LeakyReLU(0.1))
        self.texture_extractor.texture_body = nn.Sequential(ResidualBlock(512), ResidualBlock(512))
        self.tail = nn.Sequential(conv(512, 512), nn.LeakyReLU(0.1), conv(512, 256))

    def forward(self, coarse, fine):
        head = self.content_extractor.content_head(coarse)
        content = self.sub_pixel(head + self.content_extractor.content_body(head))
        texture = self.texture_extractor.texture_head(torch.cat([content, fine], 1))
        texture = self.texture_extractor.texture_body(texture)
        return self.tail(texture + content) + F.interpolate(coarse, scale_factor=2, mode="nearest")


class HatFtt(nn.Module):
    def __init__(self):
        super().__init__()
        self.content_extractor = Rhag(256, 8, 8)
        self.channel_scaler = nn.Conv2d(256, 1024, 1)
        self.channel_reducer = nn.Conv2d(512, 256, 1)
        self.texture_extractor = Rhag(256, 8, 8)

    def forward(self, coarse, fine):
        content = F.pixel_shuffle(self.channel_scaler(self.content_extractor(coarse)), 2)
        return content + self.texture_extractor(self.channel_reducer(torch.cat([content, fine], 1)))


FORMS = {"conv1x1": Conv1x1Ftt, "residual": ResidualFtt, "hat": HatFtt}

# name: channels, heads, height, width, window, window of keys (0: the same), shift
ATTENTION = {
    "plain": (32, 4, 16, 8, 8, 0, 0),
    "shifted": (16, 2, 16, 24, 8, 0, 4),
    "one_window": (8, 2, 8, 8, 8, 0, 4),
    "odd": (30, 5, 14, 21, 7, 0, 3),
    "deep": (90, 3, 4, 8, 4, 0, 1),
    "wide": (16, 1, 16, 16, 16, 0, 8),
    "overlapping": (16, 2, 16, 24, 8, 12, 0),
    "overlapping_odd": (21, 3, 12, 8, 4, 6, 0),
    "overlapping_far": (12, 1, 6, 9, 3, 9, 0),
}

# name: the part, its numbers by name, and height and width of the map
PARTS = {
    "cab": (lambda c: Cab(c), {"c": 256}, (9, 7)),
    "attn": (lambda c, n, heads, shift: Over(WindowAttention(c, n, heads)), {"c": 48, "n": 4, "heads": 3, "shift": 0}, (8, 12)),
    "hab": (lambda c, n, heads, shift: Over(Hab(c, n, heads, shift)), {"c": 256, "n": 8, "heads": 8, "shift": 0}, (8, 16)),
    "hab_shifted": (lambda c, n, heads, shift: Over(Hab(c, n, heads, shift)), {"c": 60, "n": 7, "heads": 6, "shift": 3}, (14, 21)),
    "ocab": (lambda c, n, heads: Over(Ocab(c, n, heads)), {"c": 256, "n": 8, "heads": 8}, (16, 8)),
    "rhag": (lambda c, n, heads: Rhag(c, n, heads), {"c": 256, "n": 8, "heads": 8}, (13, 10)),
    "rhag_small": (lambda c, n, heads: Rhag(c, n, heads), {"c": 30, "n": 4, "heads": 5}, (6, 9)),
    "merging": (lambda c: Over(PatchMerging(c)), {"c": 21}, (6, 10)),
}


def fill(model, prefix):
    state = model.state_dict()
    for name in state:
        own = name.removeprefix("part.")
        state[name] = torch.from_numpy(generator.parameter(SEED, f"{prefix}.{own}", tuple(state[name].shape)))
    model.load_state_dict(state, strict=True)
    return model.eval()


def keep(out, case, found, exact):
    largest = float(exact.abs().max())
    rounding = float((found - exact).abs().max()) / largest
    print(f"  {case}: {'x'.join(str(n) for n in found.shape)}, largest {largest:.2f}, f32 off by {rounding:.1e}")
    if rounding > ROUNDING:
        raise SystemExit(f"{case} is too inexact in f32 to compare with")
    out |= generator.sampled({case: found})


def described(numbers):
    return " ".join(f"{name}={number}" for name, number in numbers.items())


def save(path, out, cases):
    metadata = {"seed": SEED, "cases": " ".join(cases), "torch": torch.__version__}
    generator.save(path, out, metadata | {name: described(numbers) for name, numbers in cases.items()})


def generate_window_attention(folder):
    print("window_attention:")
    out, cases = {}, {}
    names = ("c", "heads", "h", "w", "n", "m", "shift")
    for case, (c, heads, h, w, n, m, shift) in ATTENTION.items():
        cases[case] = dict(zip(names, ATTENTION[case]))
        qkv = values(f"{case}.qkv", 1, 3 * c, h, w, scale=3.0).permute(0, 2, 3, 1)
        table = values(f"{case}.bias", (n + (m or n) - 1) ** 2, heads)

        def run(qkv, table):
            seen = overlapping_attention(qkv, table, heads, n, m) if m else shifted_attention(qkv, table, heads, n, shift)
            return seen.permute(0, 3, 1, 2)

        keep(out, case, run(qkv, table), run(qkv.double(), table.double()))
        with torch.enable_grad():
            leaves = [qkv.double().requires_grad_(), table.double().requires_grad_()]
            seen = run(*leaves)
            learnt = torch.autograd.grad(seen, leaves, values(f"{case}.gradient", *seen.shape).double())
        out[f"{case}.qkv_gradient"] = generator.sample(learnt[0].permute(0, 3, 1, 2).float().numpy())
        out[f"{case}.bias_gradient"] = generator.sample(learnt[1].float().numpy())
    save(folder / "window_attention.safetensors", out, cases)


def generate_hat(folder):
    print("hat:")
    out, cases = {}, {}
    for case, (part, numbers, (h, w)) in PARTS.items():
        cases[case] = numbers | {"h": h, "w": w}
        model = fill(part(**numbers), case)
        x = values(f"{case}.input", 1, numbers["c"], h, w)
        keep(out, case, model(x), model.double()(x.double()))
    save(folder / "hat.safetensors", out, cases)


def generate_ftt(folder):
    print("ftt:")
    out, cases = {}, {}
    for case, form in FORMS.items():
        model = form()
        count = sum(p.numel() for p in model.parameters())
        assert count == FTT_PARAMETERS[case], f"{case} has {count:,} parameters"
        h, w = 5, 6
        cases[case] = {"h": h, "w": w, "parameters": count}
        fill(model, case)
        inputs = values(f"{case}.coarse", 1, 256, h, w), values(f"{case}.fine", 1, 256, 2 * h, 2 * w)
        keep(out, case, model(*inputs), model.double()(*(x.double() for x in inputs)))
    save(folder / "ftt.safetensors", out, cases)
