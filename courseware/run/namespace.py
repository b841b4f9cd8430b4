"""A network of one's own: only the loopback interface, so nothing outside can be reached by any means.

Linux gives this to root, and to ordinary users where user namespaces are allowed. Where it is not given, the
guard inside each Python process (`guard.py`) still refuses; it gives the clear message in either case.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

NAMESPACE = "own network namespace and Python guard"
GUARD = "Python guard"


def leave_network() -> str:
    """Move this process to an empty network if the system permits; says which way of refusing holds.

    The process must have one thread. Tried in a throwaway child first: a half-made namespace, without a
    loopback, would break honest local traffic.
    """
    if not sys.platform.startswith("linux"):
        return GUARD
    child = os.fork()
    if child == 0:
        os._exit(0 if _enter() else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and _enter():
        return NAMESPACE
    return GUARD


def _enter() -> bool:
    user, group = os.getuid(), os.getgid()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET) != 0:
            if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
                return False
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        return True
    except (OSError, AttributeError):
        return False
