"""Pictures from the web: `fetcher.fetch` returns the bytes behind an http or https URL, within bounds.

URLs come from users and, through other programs, from strangers. So the address that is really connected to must be
public, unless private ones are allowed. What sockets need is loaded when the first URL is met.
"""

from __future__ import annotations

from .urls import check, hide_login, is_remote, is_url, shown, stand_in, was_url

__all__ = ["check", "hide_login", "is_remote", "is_url", "shown", "stand_in", "was_url"]
