"""How many bytes the kernel holds for a socket that we have not read."""

import struct
from contextlib import suppress
from fcntl import ioctl
from termios import FIONREAD

from websockets.asyncio.client import ClientConnection


def unread(connection: ClientConnection) -> int | None:
    """How many have arrived and were not read; None where the system does not say."""
    socket = connection.transport.get_extra_info("socket")
    with suppress(OSError, ValueError):  # closed meanwhile
        if socket is not None:
            (count,) = struct.unpack("i", ioctl(socket.fileno(), FIONREAD, bytes(4)))
            return int(count)
    return None
