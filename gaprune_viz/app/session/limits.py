"""How often one may ask, in public mode: by page, and by network address for many pages at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from gaprune_viz.app.session.access import Visitor
from gaprune_viz.config import ServeSpec
from gaprune_viz.errors import GapruneError

MOST_COUNTERS = 20_000


class Window:
    """Counts events in a sliding window, for many people; memory is bounded."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.seconds, self.clock = most, seconds, clock
        self._events: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, who: str) -> float:
        """Seconds until one more event would be within the limit; 0 where it is now."""
        now = self.clock()
        with self._lock:
            events = self._events.get(who, deque())
            while events and events[0] <= now - self.seconds:
                events.popleft()
            return events[0] + self.seconds - now if len(events) >= self.most else 0.0

    def take(self, who: str) -> None:
        """Count one event."""
        with self._lock:
            self._events.setdefault(who, deque()).append(self.clock())
            self._events.move_to_end(who)
            while len(self._events) > MOST_COUNTERS:
                self._events.popitem(last=False)


class Limits:
    """The limits of a public page; in private mode there are none."""

    def __init__(self, spec: ServeSpec, clock: Callable[[], float] = time.monotonic) -> None:
        self.public = spec.public
        pages = spec.pages_per_address
        self.moves = Window(spec.moves_per_minute, 60, clock), Window(spec.moves_per_minute * pages, 60, clock)
        self.jobs = Window(spec.jobs_per_hour, 3_600, clock), Window(spec.jobs_per_hour * pages, 3_600, clock)

    def take(self, who: Visitor, *, heavy: bool) -> None:
        """Count one event of a visitor.

        Raises:
            GapruneError: it is one too many; says when the next may come.
        """
        if not self.public:
            return
        mine, ours = self.jobs if heavy else self.moves
        # An unknown address is nobody's: only the page counts then.
        counters = [(mine, who.session)] + ([(ours, who.address)] if who.address else [])
        wait = max(window.wait(name) for window, name in counters)
        if wait > 0:
            what = "jobs were started" if heavy else "clicks and moves came"
            raise GapruneError(
                f"Too many {what} from here in a short time.",
                f"This public page is shared: try again in {max(1, round(wait))} s.",
            )
        for window, name in counters:
            window.take(name)
