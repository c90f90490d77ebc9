"""Shared ways to show data: aligned columns for people, JSON for programs."""

from collections.abc import Sequence

import msgspec


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """Rows of equal length as lines, each column as wide as its widest cell; no spaces at line ends."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def as_json(value: object) -> str:
    """`value` as indented JSON; Decimal as a string."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def as_json_line(value: object) -> str:
    """`value` as JSON in one line; Decimal as a string."""
    return msgspec.json.encode(value).decode()
