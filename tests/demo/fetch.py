#!/usr/bin/python3
"""fetch.py HOST - prints the front page of a web server."""
import socket
import sys

with socket.create_connection((sys.argv[1], 80)) as s:
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b"".join(iter(lambda: s.recv(4096), b""))
print(answer.split(b"\r\n\r\n", 1)[1].decode(), end="")
