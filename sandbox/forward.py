"""Forward TCP connections from one address to another: `python forward.py LISTEN:PORT TARGET:PORT`.

Temporal's dev server works on loopback only (its services dial 127.0.0.1 whatever `--ip` says), and
containers reach the bridge's address only. This stands between the two.
"""

import asyncio
import contextlib
import sys

CHUNK = 64 * 1024


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender has finished, then tell the receiver so; its own half stays open."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def serve(listen: tuple[str, int], target: tuple[str, int]) -> None:
    """Accept on `listen` and connect each connection to `target`, until cancelled."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                far_reader, far_writer = await asyncio.open_connection(*target)
            except OSError:
                writer.transport.abort()
                return
            try:
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
            finally:
                far_writer.close()
                writer.close()

    server = await asyncio.start_server(handle, *listen)
    async with server:
        await server.serve_forever()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(_address(sys.argv[1]), _address(sys.argv[2])))
