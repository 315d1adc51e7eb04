"""What a film says of its colours, and what is assumed where it says nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

UNSPECIFIED = 2
"""That primaries, transfer and matrix are not known; numbers are those of ITU-T H.273."""
_BT709, _BT601, _BT470BG, _SMPTE240M, _FCC = 1, 6, 5, 7, 4
_HDR = (16, 18)
"""Transfers of bright films, PQ and HLG: colours of depth would look wrong in them."""
_LIMITED, _FULL = 1, 2
_HIGH = 576
"""Rows above which a film that does not say is taken for BT.709, as players do."""
# What FFmpeg's scaler calls the matrices (SWS_CS_...). It knows BT.2020 too, but PyAV does not name it.
_SCALER = {_BT709: 1, _FCC: 4, _BT470BG: 5, _BT601: 5, _SMPTE240M: 7, 9: 9, 10: 9}


class Tags(NamedTuple):
    """Primaries, transfer and matrix by the numbers of ITU-T H.273, and the range: 1 limited, 2 full."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    range: int = 0

    @classmethod
    def of(cls, codec: Any) -> Tags:
        """Return what a codec's context says."""
        return cls(
            int(codec.color_primaries), int(codec.color_trc), int(codec.colorspace), int(codec.color_range)
        )

    def put(self, codec: Any) -> None:
        """Let a codec's context say this."""
        codec.color_primaries, codec.color_trc = self.primaries, self.transfer
        codec.colorspace, codec.color_range = self.matrix, self.range

    def of_depth(self, height: int) -> Tags:
        """Return the tags of a film in the colours of depth that belongs to this one: the same, where they can be."""
        tags = self if self.transfer not in _HDR else Tags(_BT709, _BT709, _BT709, _LIMITED)
        return tags.assumed(height)

    def assumed(self, height: int) -> Tags:
        """Return the tags with a matrix and a range, where they are not known."""
        matrix = self.matrix if self.matrix in _SCALER else _BT709 if height > _HIGH else _BT601
        return self._replace(matrix=matrix, range=self.range or _LIMITED)

    @property
    def scaler(self) -> int:
        """What FFmpeg's scaler calls the matrix."""
        return _SCALER.get(self.matrix, _SCALER[_BT601])
