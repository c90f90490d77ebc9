from hftd import Bar, Model, target


class Pair(Model):
    """Two symbols that go together: when their ratio strays from its mean, short the dear one and buy the cheap one,
    for as many dollars each; close both when it is back."""

    length: int = 60
    enter_deviations: float = 2.0
    leave_deviations: float = 0.5
    dollars: int = 2000

    @property
    def warmup_bars(self):
        return self.length

    def on_start(self, context):
        if len(context.symbols) != 2:
            raise ValueError(f"pair trades two symbols, found {len(context.symbols)}: {', '.join(context.symbols)}")

    def on_bar(self, bar: Bar):
        import numpy as np

        first, second = (self.context.history(symbol, 2 * self.length) for symbol in self.context.symbols)
        times, at_first, at_second = np.intersect1d(first.time_ns, second.time_ns, return_indices=True)
        if len(times) < self.length or times[-1] != bar.time_ns:
            return None  # the other one's bar of this minute is still to come, or there was none
        ratios = np.log(first.close[at_first] / second.close[at_second])[-self.length :]
        spread = ratios.std()
        return self.hold((ratios[-1] - ratios.mean()) / spread) if spread > 0 else None

    def hold(self, strayed: float):
        """Targets of both legs, when the ratio stands so many deviations above its mean."""
        first, second = self.context.symbols
        reason = f"the ratio is {strayed:+.1f} deviations from its mean"
        if abs(strayed) < self.leave_deviations:
            return [target(first, 0, reason=reason), target(second, 0, reason=reason)]
        if abs(strayed) < self.enter_deviations or self.context.positions:
            return None
        dollars = self.dollars if strayed < 0 else -self.dollars
        return [target(first, dollars=dollars, reason=reason), target(second, dollars=-dollars, reason=reason)]
