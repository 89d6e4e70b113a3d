"""How long a job still takes, from what it tells of its progress.

A job tells how much of its expected cost is done (`calibration.progress.Progress`). The seconds that a unit of it takes
here and now are those of the last news: a neighbour that starts or stops is noticed within a few seconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gaprune_viz.calibration.progress import Progress

# After so long an observation counts half; but each of them never less than this share of the next one, so that the
# last few decide where steps are long.
HALF_LIFE_SECONDS = 3.0
LEAST_SHARE = 0.8
MOST_NEWS = 400
# What came so many times quicker than usual was there already (found on disk, remembered) and says nothing of the pace.
GIVEN = 8.0


class _News(NamedTuple):
    at: float
    seconds: float
    units: float


class Eta:
    """The seconds that remain; one for each job.

    Args:
        clock: seconds, from anywhere.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news: deque[_News] = deque(maxlen=MOST_NEWS)
        self._last: Progress | None = None
        self._since = clock()

    def told(self, step: Progress) -> float | None:
        """Take in some news; `left` at that moment."""
        now = self._clock()
        if step.total <= 1:
            # How long such a stage takes is not known, and it says nothing of the others.
            self._since = now
            return self.left()
        if self._last is None or step.done < self._last.done:
            # The first, or units of something else.
            self._news.clear()
            self._since = now
        elif step.done > self._last.done:
            self._news.append(_News(now, now - self._since, step.done - self._last.done))
            self._since = now
        self._last = step
        return self.left()

    def left(self) -> float | None:
        """Seconds that remain, at the pace of late; None where nothing is known yet."""
        if self._last is None or not self._news:
            return None
        # A short last batch does not make the next one short.
        usual = max(self._news[-1].units, self._usual_step())
        under_way = max(0.0, self._clock() - self._since)
        seconds, units = self._sums()
        if not units:
            return None
        # What is under way and not done yet takes at least as long as it has taken.
        pace = max(seconds / units, (seconds + under_way) / (units + usual))
        remaining = self._last.total - self._last.done
        return max(pace * remaining - under_way, pace * (remaining - usual), 0.0)

    def _sums(self) -> tuple[float, float]:
        """Seconds and units of the news, each weighted by how late it came."""
        usual = self._usual_rate()
        latest, share = self._news[-1].at, 1.0
        seconds = units = 0.0
        for news in reversed(self._news):
            if news.units > GIVEN * usual * news.seconds:
                continue
            weight = max(0.5 ** ((latest - news.at) / HALF_LIFE_SECONDS), share)
            share *= LEAST_SHARE
            seconds, units = seconds + weight * news.seconds, units + weight * news.units
        return seconds, units

    def _usual_step(self) -> float:
        """Units that are told at once: the mean over the work, not over the news."""
        return sum(news.units**2 for news in self._news) / sum(news.units for news in self._news)

    def _usual_rate(self) -> float:
        """Units a second: the median over the time that was seen."""
        rates = sorted((news.units / max(news.seconds, 1e-9), news.seconds) for news in self._news)
        half, seen = sum(seconds for _, seconds in rates) / 2, 0.0
        for rate, seconds in rates:
            seen += seconds
            if seen >= half:
                return rate
        return rates[-1][0]
