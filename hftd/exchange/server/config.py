"""What an exchange is started with. Light to import."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from hftd.data.reading import USUAL, Reading
from hftd.exchange.market.bots.settings import BotMarketSettings
from hftd.exchange.market.queues import Queue
from hftd.exchange.venue.fees import Fees
from hftd.exchange.venue.latency import Latency

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
USUAL_BOTS = BotMarketSettings()


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """An exchange: where it listens and keeps its state, what is traded, and how fast its time runs.

    `port` 0 takes a free one. `speed` is exchange seconds in a wall second: at 1 without a tape, exchange time is wall
    time; 0 moves time only by `RunningExchange.advance_to`. `cash` is dollars at the opening of an account.
    `symbols` empty means all of the tape, or SPY. `bots` are who trades where there is no tape, begun from `seed`; None
    stands for a random walk without anybody. `wait`: time stands still until a client of `/hftd/clock` is
    connected, or clients of `wait_for` accounts, and while there is none.
    `start_ns` is where time starts when the state directory knows none.
    `requests_a_minute` is each key's limit in exchange time, 0 for none. `tied`: the end of standard input ends it.
    `faults` is a schedule of faults; `control_port` opens the control address for more of them (0: a free port).
    A tape is read as `reading` says, of one `day` alone if it is given.
    On a tape, `queue` says where in a quote's size an order stands that rests (None: sizes are not looked at), and
    `participation` which part of a minute's volume users may trade at most, above 0 and up to 1.
    `fees` is what trading costs, `latency` how long orders and cancellations are on their way.
    `data_sockets` is how many market-data sockets an account may have at once, 0 for any number.
    `partial_fill_chance` and `reject_chance` are probabilities, drawn from `seed`.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 0
    symbols: tuple[str, ...] = ()
    speed: float = 1.0
    seed: int = 1
    tape: Path | None = None
    day: date | None = None
    reading: Reading = USUAL
    bots: BotMarketSettings | None = USUAL_BOTS
    cash: Decimal = Decimal(100_000)
    accounts: tuple[str, ...] = ("default",)
    wait: bool = False
    wait_for: int = 1
    start_ns: int | None = None
    requests_a_minute: int = 200
    tied: bool = False
    faults: Path | None = None
    control_port: int | None = None
    data_sockets: int = 0
    partial_fill_chance: float = 0.0
    reject_chance: float = 0.0
    queue: Queue | None = None
    participation: Decimal | None = None
    fees: Fees = Fees.NONE
    latency: Latency | None = None

    @property
    def keeps_wall_time(self) -> bool:
        """Whether exchange time is the wall's, closed hours included."""
        return self.speed == 1 and self.tape is None
