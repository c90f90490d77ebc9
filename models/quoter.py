from hftd import Bar, Model, buy, cancel, sell


class Quoter(Model):
    """Offer to buy a little below the market, and to sell what it holds a little above; quote anew with each bar."""

    away_bps: float = 2.0
    quantity: int = 5
    most: int = 20

    def on_bar(self, bar: Bar):
        if self.context.working_orders(bar.symbol):
            return cancel(bar.symbol, reason="quoting anew")  # and go on in on_order, when they are gone
        return self.quotes(bar.symbol)

    def on_order(self, report):
        if report.kind == "canceled" and not self.context.working_orders(report.symbol):
            return self.quotes(report.symbol)

    def quotes(self, symbol):
        price, held = self.context.price(symbol), self.context.position(symbol)
        away = max(price * self.away_bps / 10_000, 0.01)
        if held < self.most:
            yield buy(self.quantity, symbol, limit=round(price - away, 2), reason=f"{held} held")
        if held > 0:
            yield sell(held, symbol, limit=round(price + away, 2), reason=f"{held} held")
