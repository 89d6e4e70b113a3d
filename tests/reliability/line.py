"""The line before the one place where heavy work is done, as the people in it see it: part of `make load`.

A long analysis computes; four people ask for one of their own meanwhile. One asks twice, one leaves, the long one is
stopped, and the rest get their results.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Any

from tests.app.served import Caller, open_tab, wait_for

PLACE = re.compile(r"Waiting: (\d+) jobs? (?:is|are) ahead of this one")


class Job(threading.Thread):
    """A page that presses Run, and what it is told until the end."""

    def __init__(self, address: str, name: str, **changed: Any) -> None:
        super().__init__(daemon=True)
        self.caller = Caller(address, f"{name}-{os.urandom(6).hex()}")
        self.changed, self.told = changed, list[str]()
        self.ended = 0.0

    def run(self) -> None:
        event = self.caller.event("gv-run", "click")
        with open_tab(self.caller.address, self.caller.session):
            joined = self.caller.join(event, self.caller.values(event, **self.changed))
            joined.raise_for_status()
            # The session's other events are told in the same stream.
            own = joined.json()["event_id"]
            for message in self.caller.messages():
                self.told.append(str(message))
                if message["msg"] == "process_completed" and message["event_id"] == own:
                    break
            self.ended = time.monotonic()
            self.shown = look(self.caller) if self.done else ""

    @property
    def done(self) -> bool:
        return any("Done." in text for text in self.told)

    @property
    def places(self) -> list[int]:
        """How many were ahead, whenever the page said so."""
        found = [int(match[1]) for text in self.told for match in PLACE.finditer(text)]
        return [ahead for n, ahead in enumerate(found) if n == 0 or found[n - 1] != ahead]

    def stop(self) -> float:
        """Press Cancel; seconds until the job had ended for its page."""
        began = time.monotonic()
        other = Caller(self.caller.address, self.caller.session)
        other.join(other.event("gv-cancel", "click"), []).raise_for_status()
        self.join(60)
        return (self.ended or float("inf")) - began


def look(caller: Caller) -> str:
    """Which analysis a page shows: the part of its address that names it."""
    event = caller.event("gv-metric", "input")
    seen = caller.call(event, caller.values(event))["seen"]
    found = re.search(r"run=([0-9a-f]{16})", seen)
    return found[1] if found else ""


def stand_in_line(address: str, model: str) -> dict[str, Any]:
    """What the people in the line saw."""
    small = {"gv_model": model, "gv_domain": "finance", "gv_samples": 16, "gv_sampling": "random"}
    long = Job(address, "long", gv_model="default", gv_domain="finance", gv_samples=512, gv_seed=11)
    long.start()
    wait_for(lambda: any("Calibrating" in text for text in long.told), 120)
    people = [Job(address, f"in-line-{n}", **small, gv_seed=100 + n) for n in range(4)]
    for n, job in enumerate(people):
        job.start()
        wait_for(lambda job=job, n=n: job.places == [n + 1])
    twice = Caller(address, people[0].caller.session)
    event = twice.event("gv-run", "click")
    twice.join(event, twice.values(event, **small, gv_seed=200)).raise_for_status()
    left = people[1].stop()
    wait_for(lambda: people[2].places[-1:] == [2] and people[3].places[-1:] == [3])
    freed = long.stop()
    rest = [people[0], *people[2:]]
    for job in rest:
        job.join(120)
    refused = sum("waiting or running already" in text for text in people[0].told)
    return {
        "places_told": [job.places for job in people],
        "second_job_of_a_page_refused": refused > 0,
        "seconds_to_leave_the_line": round(left, 2),
        "seconds_to_stop_a_running_job": round(freed, 2),
        "own_results": len({job.shown for job in rest} - {""}),
        "people_with_results": len(rest),
        "held": all(job.done for job in rest)
        and len({job.shown for job in rest} - {""}) == len(rest)
        and refused > 0
        and not long.done
        and not people[1].done,
    }
