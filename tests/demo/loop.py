#!/usr/bin/python3
"""loop.py HOST - prints the front page of a web server, by asyncio."""
import asyncio
import sys


async def main(host):
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    print(answer.split(b"\r\n\r\n", 1)[1].decode(), end="")


asyncio.run(main(sys.argv[1]))
