"""What an executor has to be able to do, whoever it is: the few words that the coordinator speaks.

All of them hand out plain `concurrent.futures`: of the standard library on one machine, of `distributed` and `ray` on
a cluster. joblib's backends stand on the same ones, but not on their errors: its `Parallel` gives all up with the first
cell that fails, and never hears of a cell that ended its Dask worker again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from gaprune_viz.experiments.executors.tasks import Seen, Sight


class Verdict(NamedTuple):
    """What an error of a future says.

    Attributes:
        words: for people.
        accused: the executor gives the call up for the workers that ended with it; but it counts those as well at
            which the call only waited for its turn.
    """

    words: str
    accused: bool = False


class Pool(Protocol):
    """Workers, wherever they are.

    Attributes:
        label: what and where they are, for people.
    """

    label: str

    def room(self) -> int:
        """How many more calls keep all workers busy."""
        ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a function called by some worker. An error of the future is one of the worker or of the way to it."""
        ...

    def look(self, sight: Sight) -> list[Seen]:
        """What every worker says of itself.

        Raises:
            GapruneError: there is none, or one cannot run this program.
        """
        ...

    def verdict(self, error: BaseException) -> Verdict:
        """An error of a future."""
        ...

    def mend(self) -> None:
        """After an error: have workers again.

        Raises:
            GapruneError: there are none any more.
        """
        ...

    def close(self) -> None:
        """Stop what is under way, and let go of the workers; those that are ours end."""
        ...
