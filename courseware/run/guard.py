"""Refuses the outside network inside a Python process, with words.

An audit hook sees every connection and every name look-up that goes through Python's sockets, whichever
library asks, and cannot be removed. This file uses nothing but the standard library:
`startup/sitecustomize.py` loads it into every Python that a notebook starts.
"""

import ipaddress
import socket
import sys
from typing import Any

ADVICE = "a notebook of this course runs without the outside network: use data that ships with it"

_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost", "<broadcast>"})


class NetworkRefused(OSError):
    """A notebook tried to reach another machine."""


def is_local(host: object) -> bool:
    """Whether a host, as given to the socket functions, is this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    name = name.lower().split("%")[0]
    if name in _LOCAL_NAMES or name == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and address and not is_local(address[0]):
            raise NetworkRefused(f"connection to {address[0]} refused: {ADVICE}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not is_local(arguments[0]):
        raise NetworkRefused(f"look-up of {arguments[0]} refused: {ADVICE}")


def install() -> None:
    """Refuse the outside network in this process from now on."""
    sys.addaudithook(_refuse_outside)
