"""Edits of a manifest of format 1, which has no checksum: what cannot be, what is not likely."""

from collections.abc import Callable
from typing import Any

from tape.layout import SegmentName

NAME = SegmentName("20260902T164310Z", 4)
OWN = f"{NAME}.parquet"
DATE = "date=2026-09-02"
Edit = Callable[[dict[str, Any]], None]


def put(key: str, value: object) -> Edit:
    def edit(manifest: dict[str, Any]) -> None:
        manifest[key] = value

    return edit


def put_in_file(key: str, value: object, table: str = "depth") -> Edit:
    def edit(manifest: dict[str, Any]) -> None:
        next(e for e in manifest["files"] if e["table"] == table)[key] = value

    return edit


def without_frames(manifest: dict[str, Any]) -> None:
    manifest["files"] = [e for e in manifest["files"] if e["table"] != "frames"]


def damage(after: int, until: int) -> Edit:
    noted = {"offset": 0, "length": 0, "reason": "", "after_seq": after, "until_seq": until}
    return put("damage", [noted])


REFUSED = {
    "no files": put("files", []),
    "no files of frames": without_frames,
    "a first time in another hour": put("first_ts", 2**62),
    "a negative time": put("first_ts", -1),
    "a last time in another hour": put("last_ts", 2**63 - 1),
    "a time beyond all numbers": put("last_ts", 10**30),
    "seqs that end before they begin": put("last_seq", 1),
    "a negative seq": put("first_seq", -5),
    "a seq beyond all numbers": put("last_seq", 10**30),
    "a negative count": put("rows", {"depth": -5}),
    "a count beyond all numbers": put("kinds", {"data": 10**18}),
    "damage before the beginning": damage(-1, 9),
    "a short path": put_in_file("path", "x"),
    "an absolute path": put_in_file("path", "/etc/passwd"),
    "a path that leaves the recording": put_in_file("path", "rows/../../../etc/passwd"),
    "a path with dots inside": put_in_file("path", f"rows/depth/{DATE}/../{OWN}"),
    "a NUL": put_in_file("path", f"rows/depth/{DATE}/symbol=\0/{OWN}"),
    "a name too long": put_in_file("path", f"rows/depth/{DATE}/{'b' * 5_000}"),
    "no date": put_in_file("path", f"rows/depth/date=2026-02-30/symbol=BTC_USDC_PERP/{OWN}"),
    "a journal": put_in_file("path", f"journal/{NAME}.journal.zst"),
    "a manifest": put_in_file("path", f"manifest/{NAME}.json"),
    "a file of frames as rows": put_in_file("path", f"frames/{DATE}/hour=16/{OWN}"),
    "a file of rows as frames": put_in_file(
        "path", f"rows/depth/{DATE}/symbol=BTC_USDC_PERP/{OWN}", "frames"
    ),
    "an hour that no day has": put_in_file("path", f"frames/{DATE}/hour=24/{OWN}", "frames"),
    "the file of another segment": put_in_file(
        "path", f"rows/depth/{DATE}/symbol=BTC_USDC_PERP/{NAME.session}.00003.parquet"
    ),
    "another table": put_in_file("table", "trade"),
    "another symbol": put_in_file("symbol", "ETH_USDC"),
    "an endless symbol": put_in_file("symbol", "A" * 100_000),
    "a footer longer than its file": put_in_file("footer_bytes", 10**9),
    "a negative footer": put_in_file("footer_bytes", -1),
    "a share larger than its file": put_in_file("share", 10**9),
    "rows that end before they begin": put_in_file("last_seq", 1),
}
UNLIKELY = {
    "a last seq that no file has": put("last_seq", 10**9),
    "damage beyond the end": damage(10**9, 10**9 + 5),
    "damage over the end": damage(800, 10**9),
    "strange topics": put("topics", {"x" * 10_000: 1, "\u001b[31m": 2, "[/red]": 1}),
    "no frames": put("kinds", {}),
    "another end": put_in_file("last_seq", 10**9, "frames"),
}
