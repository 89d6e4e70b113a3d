"""The data of a task, from this machine or from the Hub, and one clear line where it cannot be had."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mteb import AbsTask

    from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask


def load(task: BenchmarkTask) -> AbsTask:
    """A new mteb task with its data.

    Raises:
        GapruneError: the Hub cannot be reached, does not hold the data, or holds them in another form.
    """
    import httpx
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    loaded = task.make()
    where = loaded.metadata.dataset["path"]
    try:
        with quiet():
            loaded.load_data()
    except (ConnectionError, OfflineModeIsEnabled, httpx.TransportError) as error:
        raise _unreachable(task.name, where) from error
    except (DatasetNotFoundError, HfHubHTTPError) as error:
        raise GapruneError(
            f"{task.name}: the Hub does not give out {where}.",
            "Check its page; log in with `hf auth login` where it asks for that.",
        ) from error
    except (DatasetsError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if _behind(error, ConnectionError):
            raise _unreachable(task.name, where) from error
        raise GapruneError(
            f"{task.name}: {where} cannot be read: {first_line(error)}", "Choose another task."
        ) from error
    return loaded


def again(task: BenchmarkTask, loaded: AbsTask) -> AbsTask:
    """A new mteb task with the data of an earlier one: random states begin anew, so that every model meets the same."""
    fresh: Any = task.make()
    fresh.dataset, fresh.data_loaded = loaded.dataset, True
    return fresh


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of each retry for as long as the block runs: errors come as exceptions."""
    import datasets

    bars, hub = datasets.is_progress_bar_enabled(), logging.getLogger("huggingface_hub")
    level = hub.level
    datasets.disable_progress_bars()
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)
        if bars:
            datasets.enable_progress_bars()


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _unreachable(task: str, where: str) -> GapruneError:
    return GapruneError(
        f"{task}: the Hub cannot be reached for {where}.",
        "Check the network, or choose a starter collection or a BEIR folder.",
    )


def _behind(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of a kind is among the causes of another."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
