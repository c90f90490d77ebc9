"""What is traded at the venue, and how."""

from uuid import NAMESPACE_DNS, uuid5

from msgspec import Struct


class Asset(Struct, frozen=True):
    """One symbol's terms. `maintenance_margin_percent` is a whole percentage of its market value."""

    symbol: str
    id: str
    name: str
    exchange: str = "NASDAQ"
    tradable: bool = True
    marginable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True
    maintenance_margin_percent: int = 30


def listed(symbol: str, name: str | None = None) -> Asset:
    """An asset with the usual terms; its id depends on the symbol alone."""
    return Asset(
        symbol=symbol, id=str(uuid5(NAMESPACE_DNS, f"{symbol}.asset.hftd")), name=name or f"{symbol} Common Stock"
    )
