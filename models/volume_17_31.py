from hftd import Bar, Model, buy, sell


class Volume1731(Model):
    """If volume is a multiple of 17 sell, else if of 31 buy. No rationale; it only exercises the path."""

    sell_multiple: int = 17
    buy_multiple: int = 31
    quantity: int = 5

    def on_bar(self, bar: Bar):
        if bar.volume % self.sell_multiple == 0:
            return sell(self.quantity, bar.symbol, reason=f"volume {bar.volume} is a multiple of {self.sell_multiple}")
        if bar.volume % self.buy_multiple == 0:
            return buy(self.quantity, bar.symbol, reason=f"volume {bar.volume} is a multiple of {self.buy_multiple}")
