"""Makes the videos in `tests/goldens/video` and `expected.json` beside them. Run by hand, in the repository; needs
ffmpeg with libx264, and cargo:

    python tests/goldens/video.py

The pictures are those of `examples/animation.rs`. For each video `expected.json` has its size as it is shown, the
time of each frame in seconds since the first, and of some frames the red, green and blue of a grid of pixels: ffmpeg decodes luma
and chroma, and the formulas of BT.601 and BT.709 follow here, in floating point.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "video"

# kr and kb of the matrices.
BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)

X264 = ["-c:v", "libx264", "-preset", "slower", "-crf", "30"]

# Name, size, frames, arguments of ffmpeg, format of the pixels, matrix, whether the range is full, whether it is
# turned clockwise.
VIDEOS = [
    # B-frames that others refer to, an edit list, the index before the pictures.
    ("clip.mp4", (160, 120), 20, ["-bf", "3", "-movflags", "+faststart"], "yuv420p", BT601, False, False),
    # The index piece by piece; colours as the stream says.
    ("fragments.mp4", (96, 64), 8,
     ["-vf", "scale=out_color_matrix=bt709:out_range=pc", "-bf", "2", "-g", "4", "-colorspace", "bt709",
      "-color_range", "pc", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
     "yuv420p", BT709, True, False),
    # Ten bits, and chroma in every row; the index after the pictures.
    ("turned.mp4", (96, 64), 4, [], "yuv422p10le", BT601, False, True),
]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **options).stdout


def make(name, size, frames, arguments, form, is_turned):
    y4m = run("cargo", "run", "--release", "--example", "animation", "--", *size, frames)
    plain = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
    run("ffmpeg", "-y", "-i", "-", *X264, "-pix_fmt", form, *arguments, *plain, HERE / name, input=y4m)
    if is_turned:
        with tempfile.TemporaryDirectory() as folder:
            # ffmpeg 5 counts counter-clockwise.
            upright = Path(folder) / name
            shutil.move(HERE / name, upright)
            run("ffmpeg", "-i", upright, "-c", "copy", "-metadata:s:v", "rotate=270", "-fflags", "+bitexact", HERE / name)


def expected(name, size, form, matrix, is_full, is_turned):
    width, height = size
    times = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=best_effort_timestamp_time",
                "-of", "csv=p=0", HERE / name)
    times = [float(line.strip(",")) for line in times.decode().split()]
    times = [round(time - times[0], 6) for time in times]
    # As it is stored: to yuv420p, ffmpeg would convert the range.
    stored = form.replace("yuv420p", "yuvj420p") if is_full else form
    raw = run("ffmpeg", "-noautorotate", "-i", HERE / name, "-f", "rawvideo", "-pix_fmt", stored, "-")
    deep = form.endswith("10le")
    unit = 2 if deep else 1
    chroma_rows = height if "422" in form else height // 2
    luma, chroma = width * height, width // 2 * chroma_rows
    frame_bytes = (luma + 2 * chroma) * unit
    assert len(raw) == frame_bytes * len(times)
    kr, kb = matrix

    def pixel(frame, x, y):
        def sample(at):
            at = frame * frame_bytes + at * unit
            return int.from_bytes(raw[at:at + unit], "little") / (4 if deep else 1)

        cy = y * chroma_rows // height
        at = cy * (width // 2) + x // 2
        level, cb, cr = sample(y * width + x), sample(luma + at) - 128, sample(luma + chroma + at) - 128
        if is_full:
            level, cb, cr = level / 255, cb / 255, cr / 255
        else:
            level, cb, cr = (level - 16) / 219, cb / 224, cr / 224
        red, blue = level + 2 * (1 - kr) * cr, level + 2 * (1 - kb) * cb
        green = (level - kr * red - kb * blue) / (1 - kr - kb)
        return [min(255, max(0, round(255 * value))) for value in (red, green, blue)]

    def shown(frame, x, y):
        """The pixel at a place of the picture as it is shown."""
        return pixel(frame, y, height - 1 - x) if is_turned else pixel(frame, x, y)

    if is_turned:
        width_shown, height_shown = height, width
    else:
        width_shown, height_shown = width, height
    looked_at = sorted({0, len(times) // 2, len(times) - 1})
    grid = [(x, y) for y in range(1, height_shown, 7) for x in range(2, width_shown, 11)]
    return {
        "width": width_shown,
        "height": height_shown,
        "times": times,
        "grid": grid,
        "frames": {frame: [shown(frame, x, y) for x, y in grid] for frame in looked_at},
    }


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    all_expected = {}
    for name, size, frames, arguments, form, matrix, is_full, is_turned in VIDEOS:
        make(name, size, frames, arguments, form, is_turned)
        all_expected[name] = expected(name, size, form, matrix, is_full, is_turned)
    text = json.dumps(all_expected, separators=(",", ":"))
    (HERE / "expected.json").write_text(text + "\n")
