"""What a manifest says of one Parquet file."""

import msgspec

from tape.bounds import Count
from tape.layout import in_account


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a segment.

    path: relative to the recording's folder, with ``/``.
    table: ``frames`` or a table of rows.
    symbol: market of the rows; None for frames and for rows about no market.
    first_seq, last_seq: lowest and highest seq in it.
    share: None, or of a file that holds rows of other segments too, the bytes that count as this
        one's. rows, first_seq and last_seq are then of its own rows, which are all those from
        first_seq to last_seq; bytes and sha256 are of the whole file.
    footer_bytes, footer_sha256: of its end, which readers check before they trust it: a damaged
        Parquet footer can end the process that parses it.
    """

    path: str
    table: str
    symbol: str | None
    bytes: Count
    sha256: str
    rows: Count
    first_seq: Count
    last_seq: Count
    footer_bytes: Count
    footer_sha256: str
    share: Count | None = None

    @property
    def stored(self) -> int:
        """Bytes that count as the segment's."""
        return self.bytes if self.share is None else self.share

    @property
    def private(self) -> bool:
        """Whether it lies among what is of an account."""
        return in_account(self.path)
