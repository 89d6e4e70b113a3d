"""A small crowd for a few seconds: every last value is answered, nobody sees another's, and memory stays."""

from __future__ import annotations

import gc
import resource

from gaprune_viz.app import launch
from gaprune_viz.config import ServeSpec
from tests.reliability.load import crowd

MOST_GROWTH_MIB = 150


def test_a_small_crowd_gets_its_own_answers() -> None:
    serve = ServeSpec(public=True, pages_per_address=100)
    app, address, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    for person in (warm := crowd(str(address), 2, 2)):
        person.join(120)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    people = crowd(str(address), 4, 4)
    for person in people:
        person.join(120)
    assert [text for person in [*warm, *people] for text in person.wrong] == []
    assert [len(person.seconds) for person in people] == [4] * 4
    gc.collect()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MOST_GROWTH_MIB, f"{grown:.0f} MiB more"
    app.state_holder.session_data.clear()
