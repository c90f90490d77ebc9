"""The order book, for whoever looks on: `GET /hftd/book/SYMBOL`. Not Alpaca's; it counts against no limit.

    {"bids": [[price, shares], ...], "asks": [[price, shares], ...]}     dollars, best first

On a tape, which has no book, there is the best bid and ask.
"""

from aiohttp import web

from hftd.exchange.market.book_liquidity import BookLiquidity
from hftd.exchange.server.call import Call, answer
from hftd.exchange.venue.refusals import Refusal

LEVELS = 10
Level = tuple[float, int]


async def book(call: Call) -> web.Response:
    """GET /hftd/book/{symbol}"""
    symbol, liquidity = call.path("symbol").upper(), call.exchange.market.liquidity
    sides = liquidity.depth(symbol, LEVELS) if isinstance(liquidity, BookLiquidity) else _best(call, symbol)
    if sides is None:
        raise Refusal(404, 40410000, f"there is no book of {symbol[:50]} now")
    return answer({"bids": sides[0], "asks": sides[1]})


def _best(call: Call, symbol: str) -> tuple[list[Level], list[Level]] | None:
    quote = call.exchange.market.liquidity.quote(symbol)
    return None if quote is None else ([(quote.bid, quote.bid_size)], [(quote.ask, quote.ask_size)])
