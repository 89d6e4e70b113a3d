"""Datasets of the Hugging Face Hub as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gaprune_viz.data.readers.table import Row, Table
from gaprune_viz.data.text_files import MAX_ROWS, MIB
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import named

if TYPE_CHECKING:
    from datasets import Dataset, DatasetInfo

MAX_DATASET_BYTES = 4096 * MIB


class HubSource(NamedTuple):
    """A dataset's repository, its configuration (None: the default) and the split."""

    repository: str
    config: str | None
    split: str


def parse_hub(source: str) -> HubSource:
    """`hub:org/name[:config[:split]]`; the split is `train` unless given, and may be a slice such as train[:5000].

    Raises:
        GapruneError: where it is written otherwise.
    """
    # The split keeps its own colons: train[:5000].
    _, repository, config, split = [*source.split(":", 3), "", "", ""][:4]
    form = "Write hub:org/name, hub:org/name:config or hub:org/name:config:split."
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repository):
        raise GapruneError(f"{repository!r} is no name of a dataset on the Hub.", form)
    if not re.fullmatch(r"[\w.%+:\[\]-]*", split) or not re.fullmatch(r"[\w.+-]*", config):
        raise GapruneError(f"{source!r} names no configuration and split.", form)
    return HubSource(repository, config or None, split or "train")


def open_hub(source: str) -> Table:
    """Download a dataset, or take it from the local cache, and open it as a table. No code of it is ever run.

    Raises:
        GapruneError: without a network, for an unknown dataset, configuration or split, and for one that is too large.
    """
    repository, config, split = parse_hub(source)
    if named(repository).exists():
        # The library would quietly read this folder instead of the Hub.
        raise GapruneError(
            f"{repository} is also a folder here.", f"Give a file in it, or run elsewhere to reach {source}."
        )
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        refuse_large(datasets.load_dataset_builder(repository, config).info, source)
        dataset = datasets.load_dataset(repository, config, split=split)
    except DatasetNotFoundError as error:
        raise GapruneError(
            f"{repository} is not on the Hub, or is private.",
            "Check its name; log in with `hf auth login` if it is yours.",
        ) from error
    except ConnectionError as error:
        raise GapruneError(
            f"The Hub cannot be reached for {repository}.", "Check the network, or give a local file."
        ) from error
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise GapruneError(
            f"{source} cannot be loaded: {_first_line(error)}", "Check the configuration and the split on its page."
        ) from error
    return dataset_table(dataset, source)


def refuse_large(info: DatasetInfo, source: str) -> None:
    """Refuse, before it is downloaded, a dataset that says it has more than 4 GiB.

    Raises:
        GapruneError: naming its size.
    """
    size = max(info.download_size or 0, info.dataset_size or 0)
    if size > MAX_DATASET_BYTES:
        raise GapruneError(
            f"{source} has {size / MIB:,.0f} MiB; the limit is {MAX_DATASET_BYTES // MIB:,} MiB.",
            "Name a smaller configuration, or save a part of it as Parquet.",
        )


def dataset_table(dataset: Dataset, source: str) -> Table:
    """A loaded dataset as a table.

    Raises:
        GapruneError: when it has more than `MAX_ROWS` rows.
    """
    if len(dataset) > MAX_ROWS:
        raise GapruneError(
            f"{source} has {len(dataset):,} rows; the limit is {MAX_ROWS:,}.",
            "Take a slice, such as hub:org/name:config:train[:5000].",
        )

    def rows(only: Sequence[str] | None) -> Iterator[Row]:
        wanted = dataset if only is None else dataset.select_columns(list(only))
        for number, values in enumerate(wanted, 1):
            yield f"row {number}", dict(values)

    return Table("Hub dataset", tuple(dataset.column_names), rows)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
