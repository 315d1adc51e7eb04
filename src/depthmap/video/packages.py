"""The package that reads and writes films."""

from __future__ import annotations

from ..extras import Extra

PYAV = Extra("av", "video", "Videos")
"""PyAV: FFmpeg's libraries, which come with it."""
