"""Gives the server a listening socket of this box, and then becomes the command: run as ``python -I -S -c``.

The box has a network of its own with nobody in it. What connects to the socket is answered by the server, outside,
and nothing of this is left in the box that a command could change.
"""

import os
import socket
import struct
import sys


def main(channel: int, port: int, command: list[str]) -> None:
    with socket.socket(fileno=channel) as server, socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", listener.fileno()))])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
