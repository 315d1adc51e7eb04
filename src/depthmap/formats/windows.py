"""Opening files on Windows so that others may still rename them."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import os
    from ctypes import wintypes

    _GENERIC_READ, _OPEN_EXISTING, _SHARE_ALL, _SHARE_NONE = 0x80000000, 3, 7, 0
    _SHARING_VIOLATION = 32
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.CreateFileW.argtypes = (
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD, wintypes.DWORD,
        wintypes.HANDLE,
    )  # fmt: skip

    def open_shared(path: Path, share: int = _SHARE_ALL) -> int:
        """Return a descriptor to read a file with; it may be renamed meanwhile, which `os.open` does not allow."""
        handle = _kernel.CreateFileW(str(path), _GENERIC_READ, share, None, _OPEN_EXISTING, 0, None)
        if handle == wintypes.HANDLE(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)

    def is_open(path: Path) -> bool:
        """Tell whether anybody, this process too, has a file open or mapped."""
        try:
            os.close(open_shared(path, _SHARE_NONE))
        except OSError as error:
            return error.winerror == _SHARING_VIOLATION
        return False
