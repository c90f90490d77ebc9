from hftd import Bar, Model, target


class Crossing(Model):
    """Hold shares while the average of the last closes stands above that of more of them, and nothing while below."""

    fast: int = 10
    slow: int = 30
    quantity: int = 10

    def __init__(self):
        if self.fast >= self.slow:
            raise ValueError(f"fast is {self.fast}, expected fewer bars than slow, {self.slow}")

    @property
    def warmup_bars(self):
        return self.slow

    def on_bar(self, bar: Bar):
        closes = self.context.history(bar.symbol, self.slow).close
        if len(closes) < self.slow:
            return None
        fast, slow = closes[-self.fast :].mean(), closes.mean()
        return target(bar.symbol, self.quantity if fast > slow else 0, reason=f"averages {fast:.2f} and {slow:.2f}")
