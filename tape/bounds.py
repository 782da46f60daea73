"""What numbers in a manifest can be: any other is refused when it is read."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # sums of some are still numbers in JSON
Time = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # ns since the epoch, UTC
