"""Linux's Landlock: from here on this process may open only what is listed, and the kernel holds it to that.

It needs no rights and can't be taken back. What the kernel knows of it depends on its version (Linux 5.13: files; 6.7: TCP; 6.12:
signals), so what can be asked for is asked for. Numbers and structures: linux/landlock.h, https://docs.kernel.org/userspace-api/landlock.html.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
NO_NEW_PRIVILEGES = 38
VERSION, PATH_BENEATH = 1, 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # rights on files, from version on
EXECUTE = 1 << 0
TCP, SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals beyond the process's own


def version() -> int:
    """What the kernel knows of Landlock; 0 for nothing, or where it is switched off."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION)))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Allow this process to read below some files and folders and to write below others, and nothing else.

    No program can be started either, and where the kernel knows how, no TCP connection made and no process outside signalled.

    Returns:
        whether it is in force; where the kernel doesn't know Landlock it isn't.
    """
    known = version()
    if not known:
        return False
    files = max(rights for since, rights in ALL_FILES.items() if since <= known)
    asked = struct.pack("=QQQ", files, TCP if known >= 4 else 0, SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    rules = _call(CREATE_RULESET, ctypes.c_char_p(asked), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(rules, path, READ_FILE | READ_DIR)
        for path in writable:
            _allow(rules, path, files & ~EXECUTE)
        libc = ctypes.CDLL(None, use_errno=True)
        bare = libc.prctl(NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0)))
        return bare == 0 and _call(RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0)) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what isn't there needs no right
    try:
        if not os.path.isdir(path):
            rights &= WRITE_FILE | READ_FILE
        beneath = ctypes.c_char_p(struct.pack("=Qi", rights, place))
        _call(ADD_RULE, ctypes.c_int(rules), ctypes.c_int(PATH_BENEATH), beneath, ctypes.c_uint32(0))
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    return ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)
