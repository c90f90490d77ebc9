"""Lockstep: exchange time stands still until a client has digested what it was sent.

After everything that was sent to an account with a lockstep client, the hold number n of that client grows by one, a
mark n follows on each of the account's lockstep sockets, n is announced on its clock socket, and time stands still
until the client says `done` for the latest n. With it the client may say when it wants to be awake again, and time
stands still for it then, too. A client that does not answer is let go of: it must not stop the others for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import structlog

from hftd.clock import monotonic_s

PATIENCE_S = 30.0
"""Wall seconds that a lockstep client may take to digest."""

log = structlog.get_logger()


class LockstepClient:
    """A clock socket in lockstep.

    `announce` tells it the latest hold and whether time has leapt; `mark` puts a mark on its account's sockets.
    """

    def __init__(self, account: str, announce: Callable[[int, bool], None], mark: Callable[[int], None]) -> None:
        self.account = account
        self.announce = announce
        self.mark = mark
        self.hold = 0
        self.wake_ns: int | None = None
        self.is_holding = False
        self.since_s = 0.0


class Holds:
    """Who holds time still. `stop` and `go` are told when somebody does, and when nobody does any more."""

    def __init__(
        self, stop: Callable[[], None], go: Callable[[], None], monotonic: Callable[[], float] = monotonic_s
    ) -> None:
        self._stop = stop
        self._go = go
        self._monotonic = monotonic
        self._clients: dict[str, LockstepClient] = {}
        self._former: defaultdict[str, list[LockstepClient]] = defaultdict(list)
        self._latest: dict[str, int] = {}

    @property
    def accounts(self) -> Iterable[str]:
        """Accounts with a lockstep client."""
        return self._clients.keys()

    @property
    def wake_ns(self) -> int | None:
        """When the first of the clients wants to be awake again."""
        return min((client.wake_ns for client in self._clients.values() if client.wake_ns is not None), default=None)

    def woken_by(self, time_ns: int) -> set[str]:
        """Accounts whose clients want to be awake by then."""
        due = ((account, client.wake_ns) for account, client in self._clients.items())
        return {account for account, wake_ns in due if wake_ns is not None and wake_ns <= time_ns}

    def hold_of(self, account: str) -> int:
        """The number of the account's present hold, 0 when it holds nothing."""
        client = self._clients.get(account)
        return client.hold if client and client.is_holding else 0

    def join(self, client: LockstepClient) -> None:
        """`client` takes part from now on, instead of an earlier one of its account as long as it stays, and holds at
        once.

        Its holds are numbered on from the earlier one's, whose marks may still be on their way.
        """
        former = self._clients.get(client.account)
        if former is not None:
            former.is_holding = False
            self._former[client.account].append(former)
        client.hold = self._latest.get(client.account, 0)
        self._clients[client.account] = client
        self.hold(client.account)

    def leave(self, client: LockstepClient) -> None:
        """`client` has gone, and holds nothing any more. Whom it took over from takes part again."""
        former = self._former[client.account]
        if client in former:
            former.remove(client)
        elif self._clients.get(client.account) is client:
            del self._clients[client.account]
            if former:
                self.join(former.pop())
            self._let_go(client)

    def hold(self, account: str, *, jump: bool = False) -> None:
        """Something was sent to `account`: if it is in lockstep, time stands still until it has said done."""
        client = self._clients.get(account)
        if client is None:
            return
        client.hold += 1
        client.wake_ns = None
        self._latest[account] = client.hold
        client.is_holding = True
        client.since_s = self._monotonic()
        self._stop()
        client.mark(client.hold)
        client.announce(client.hold, jump)

    def done(self, client: LockstepClient, hold: object, wake_ns: object = None) -> None:
        """`client` has digested everything up to `hold`, and wants to be awake at `wake_ns`; only the latest counts."""
        if hold == client.hold and self._clients.get(client.account) is client:
            client.wake_ns = wake_ns if type(wake_ns) is int else None
            self._let_go(client)

    def release_overdue(self) -> None:
        """Let go of clients that have held time for too long."""
        for client in list(self._clients.values()):
            if client.is_holding and self._monotonic() - client.since_s > PATIENCE_S:
                log.warning("lockstep.released", account=client.account, hold=client.hold, waited_s=PATIENCE_S)
                self._let_go(client)

    def _let_go(self, client: LockstepClient) -> None:
        client.is_holding = False
        if not any(other.is_holding for other in self._clients.values()):
            self._go()
