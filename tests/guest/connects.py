# SPDX-License-Identifier: GPL-2.0-only
"""connects.py HOST PORT TIMES - connects by asyncio; says errno and microseconds."""
import asyncio
import sys
import time


async def connect(host, port):
    try:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except OSError as e:
        return e.errno
    return 0


async def main(host, port, times):
    for _ in range(int(times)):
        begin = time.monotonic()
        error = await connect(host, int(port))
        print(error, int((time.monotonic() - begin) * 1e6), flush=True)


asyncio.run(main(*sys.argv[1:]))
