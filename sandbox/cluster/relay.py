"""Passes connections on: the node reaches the host's loopback registry at the host's end of the link.

Run as `python relay.py LISTEN_ADDRESS:PORT TARGET_ADDRESS:PORT [OWNER]`; the owner is
only there to be seen in lists of processes.
"""

import asyncio
import contextlib
import sys

CHUNK = 1 << 18


async def serve(listen: str, target: str) -> None:
    """Pass every connection to `listen` on to `target`, until cancelled (both `address:port`)."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(*_split(target))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))

    server = await asyncio.start_server(connected, *_split(listen))
    async with server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the sender ends or the receiver is gone; then say so to the receiver."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
