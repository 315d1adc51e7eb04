"""The faults that the cache survives, injected for real: by signals, full disks, and a shim below libc's calls."""
