"""Videos whose pictures change their size in mid-stream, as live streams and joined recordings do."""

from __future__ import annotations

from pathlib import Path

from tests.unit.video.ffmpeg_frames import run_ffmpeg

CHANGING = {  # suffix: how a part is encoded
    ".mkv": ("-c:v", "mjpeg"),
    ".webm": ("-c:v", "libvpx", "-deadline", "realtime"),
    ".ts": ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"),
}
FIRST_HEIGHT, FIRST_WIDTH, PART_FRAMES = 48, 64, 10


def write_changing_video(ffmpeg: str, folder: Path, *, suffix: str) -> Path:
    """Ten frames of 64 x 48, ten of 48 x 64, ten of 96 x 72."""
    folder.mkdir(exist_ok=True)
    parts = []
    for number, size in enumerate((f"{FIRST_WIDTH}x{FIRST_HEIGHT}", "48x64", "96x72")):
        parts.append(folder / f"part{number}{suffix}")
        source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={PART_FRAMES / 25},gblur=sigma=4"]
        offset = ["-output_ts_offset", str(number * PART_FRAMES / 25)] if suffix == ".ts" else []
        run_ffmpeg(ffmpeg, *source, *CHANGING[suffix], *offset, parts[-1])
    whole = folder / f"changing{suffix}"
    if suffix == ".ts":
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        return whole
    (folder / "parts.txt").write_text("".join(f"file '{part}'\n" for part in parts))
    run_ffmpeg(ffmpeg, "-f", "concat", "-safe", "0", "-i", folder / "parts.txt", "-c", "copy", whole)
    return whole
