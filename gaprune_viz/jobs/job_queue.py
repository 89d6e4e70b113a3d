"""The line before the one place where heavy work is done: first come, first served; in public one job per page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from gaprune_viz.errors import GapruneError

# Pages of one address that may stand in line at the same time.
MOST_WAITING = 64


@dataclass(frozen=True)
class Owner:
    """Whose work it is.

    Attributes:
        session: the open page.
        address: its network address, where it is known.
        limited: whether the limits of a public page hold.
        pages: most pages of one address in line at the same time.
        seconds: most that a job may take.
    """

    session: str
    address: str = ""
    limited: bool = False
    pages: int = 0
    seconds: int = 0


@dataclass(eq=False)
class Ticket:
    """A place in the line; the first one computes."""

    who: Owner
    left: threading.Event = field(default_factory=threading.Event)


class Line:
    """Tickets in the order in which they were drawn."""

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []
        self._lock = threading.Lock()

    def draw(self, who: Owner) -> Ticket:
        """Stand in line.

        Raises:
            GapruneError: in public mode, where this page stands there already, or the line is full.
        """
        with self._lock:
            if who.limited:
                if any(ticket.who.session == who.session for ticket in self._tickets):
                    raise GapruneError(
                        "A job of this page is waiting or running already.", "Wait for it, or stop it first."
                    )
                if who.address and sum(t.who.address == who.address for t in self._tickets) >= who.pages:
                    raise GapruneError("Too many jobs from this address are waiting.", "Try again in a while.")
                if len(self._tickets) >= MOST_WAITING:
                    raise GapruneError("The line is full.", "Try again in a while, or run gaprune-viz yourself.")
            ticket = Ticket(who)
            self._tickets.append(ticket)
            return ticket

    def ahead(self, ticket: Ticket) -> int:
        """How many stand before a ticket; 0 is its turn."""
        with self._lock:
            return self._tickets.index(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Give the place free; a second time does nothing."""
        with self._lock:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
        ticket.left.set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._tickets)


LINE = Line()
