"""Who asks, and what they may see: ids instead of paths, and in public mode only what is listed or one's own.

The current visitor is kept in a context variable, so that no part of the page can forget to ask. `event_guard` sets it
around every event; without one, as in a script, the rules are those of a private page.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from gaprune_viz.config import STARTER_DOMAINS, Fisher, ModelSpec, RunSpec, ServeSpec
from gaprune_viz.data.sources.naming import places_of, sides_of
from gaprune_viz.data.triplets import check_source
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs.job_queue import Owner
from gaprune_viz.models.sources import HUB_ID, name_and_revision
from gaprune_viz.storage.paths import assets, named
from gaprune_viz.storage.workspace import UPLOAD_PREFIX, workspace

DEMO = "demo"
ANALYSIS_ID = re.compile(r"analysis-[0-9a-f]{16}")
SHORTEST_SESSION = 6
MOST_SESSIONS = 10_000
MOST_OWNED = 200
MOST_PROJECTIONS = 4


class Access:
    """The rules of one server, and who made what on it."""

    def __init__(self, spec: ServeSpec) -> None:
        self.spec = spec
        self._folders: dict[str, Path] = {}
        # By session, then by name; the value is the name and the note that this session gave it.
        self._owned: OrderedDict[str, OrderedDict[str, tuple[str, str]]] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, folder: Path, session: str) -> str:
        """Let a session see an analysis that it made or found.

        Returns:
            the analysis's id, which is no path.
        """
        inside = folder.resolve().parent == workspace().resolve() and ANALYSIS_ID.fullmatch(folder.name)
        name = folder.name if inside else f"analysis-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"
        with self._lock:
            self._folders[name] = folder
        self.own(name, session)
        return name

    def own(self, name: str, session: str) -> None:
        """Remember that a session made something: an analysis or an upload."""
        with self._lock:
            mine = self._owned.setdefault(session, OrderedDict())
            self._owned.move_to_end(session)
            mine.setdefault(name, ("", ""))
            mine.move_to_end(name)
            while len(mine) > MOST_OWNED:
                mine.popitem(last=False)
            while len(self._owned) > MOST_SESSIONS:
                self._owned.popitem(last=False)

    def owns(self, name: str, session: str) -> bool:
        with self._lock:
            return name in self._owned.get(session, ())

    def words(self, name: str, session: str) -> tuple[str, str]:
        """The name and the note that a session gave to something of its own; empty where it gave none."""
        with self._lock:
            return self._owned.get(session, OrderedDict()).get(name, ("", ""))

    def describe(self, name: str, session: str, words: tuple[str, str]) -> None:
        """Keep a name and a note for one session only: another one that made the same run does not see them."""
        with self._lock:
            if name in self._owned.get(session, ()):
                self._owned[session][name] = words

    def disown(self, name: str, session: str) -> bool:
        """Take something from a session's list; says whether it is on nobody's now."""
        with self._lock:
            self._owned.get(session, OrderedDict()).pop(name, None)
            return not any(name in mine for mine in self._owned.values())

    def folder(self, name: str, session: str) -> Path:
        """The folder behind an id.

        Raises:
            GapruneError: there is none, or it is not this session's to see. The two read the same.
        """
        if name == DEMO:
            return assets() / "demo"
        folder = self._folders.get(name)
        if not self.spec.public and folder is None and ANALYSIS_ID.fullmatch(name):
            folder = workspace() / name
        hidden = self.spec.public and not self.owns(name, session)
        if folder is None or hidden or folder.is_symlink() or not folder.is_dir():
            raise GapruneError("That analysis is not here, or no longer.", "Press Run to make it.")
        return folder

    def forget(self, session: str) -> None:
        """A page was closed."""
        with self._lock:
            self._owned.pop(session, None)

    def check_run(self, run: RunSpec, session: str) -> None:
        """Refuse a run on data that are not there, and one that this server does not do for strangers.

        Raises:
            GapruneError: naming what is not there or not allowed, and what is.
        """
        spec = self.spec
        if not spec.public:
            for source in places_of(run.calibration):
                check_source(source)
            return
        self.check_model(run.model)
        samples = run.calibration.samples * max(map(len, sides_of(run.calibration).values()))
        if samples > spec.max_samples:
            raise GapruneError(
                f"samples: {samples} is more than this public page takes.", f"Use {spec.max_samples} or less per side."
            )
        # Each is a backward pass over all texts.
        if run.calibration.fisher is Fisher.EMBEDDING and run.calibration.projections > MOST_PROJECTIONS:
            raise GapruneError(
                f"projections: {run.calibration.projections} is more than this public page takes.",
                f"Use {MOST_PROJECTIONS} or less.",
            )
        for source in places_of(run.calibration):
            self.check_source(source, session)

    def check_model(self, model: ModelSpec) -> None:
        """Refuse a model that this server does not load for strangers.

        Raises:
            GapruneError: naming those that it does.
        """
        spec = self.spec
        if not spec.public or (model.model in spec.models and model.revision is None):
            return
        if not (spec.hub_models and _is_hub_id(model)):
            raise GapruneError(
                f"The model {model.model[:80]!r} is not offered on this public page.",
                f"Choose one of: {', '.join(spec.models)}. Any model can be used where you run gaprune-viz yourself.",
            )

    def check_size(self, parameters: int) -> None:
        """Refuse a model that is too large for strangers.

        Raises:
            GapruneError: saying how large a model may be.
        """
        most = self.spec.max_parameters
        if self.spec.public and parameters > most:
            raise GapruneError(
                f"The model has {parameters:,} parameters; this public page takes at most {most:,}.",
                "Choose a smaller one, or run gaprune-viz yourself.",
            )

    def check_rows(self, rows: int) -> None:
        """Refuse an upload with too many rows for strangers.

        Raises:
            GapruneError: saying how many there may be.
        """
        most = self.spec.max_rows
        if self.spec.public and rows > most:
            raise GapruneError(
                f"The file has {rows:,} rows; this public page takes at most {most:,}.", "Keep a part of its rows."
            )

    def check_source(self, source: str, session: str) -> None:
        """Refuse data that this server does not read for strangers: anything but starters and one's own uploads.

        Raises:
            GapruneError: naming what is allowed.
        """
        if not self.spec.public or source in STARTER_DOMAINS:
            return
        if source.startswith(UPLOAD_PREFIX):
            if self.owns(source, session):
                return
            raise GapruneError("That upload is not here, or no longer.", "Upload the file again in the Data tab.")
        if self.spec.hub_data and source.startswith(("hub:", "ontology:")):
            return
        raise GapruneError(
            "This public page reads starter collections and your own uploads only.",
            f"Choose {', '.join(STARTER_DOMAINS)}, or upload a file in the Data tab.",
        )


def _is_hub_id(model: ModelSpec) -> bool:
    """A name with an owner, without its revision: what is looked up on the Hub where there is no such folder."""
    name, _ = name_and_revision(model)
    return "/" in name and HUB_ID.fullmatch(name) is not None and not named(name).exists()


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        access: the rules of the server.
        session: gradio's id of the open page.
        address: network address, where it is known.
    """

    access: Access
    session: str
    address: str = ""

    @property
    def public(self) -> bool:
        return self.access.spec.public

    @property
    def owner(self) -> Owner:
        """The visitor as the line before heavy work knows them."""
        spec = self.access.spec
        return Owner(self.session, self.address, spec.public, spec.pages_per_address, spec.job_seconds)

    def folder(self, name: str) -> Path:
        return self.access.folder(name, self.session)

    def admit(self, folder: Path) -> str:
        return self.access.admit(folder, self.session)

    def own(self, name: str) -> None:
        self.access.own(name, self.session)

    def check_run(self, run: RunSpec) -> None:
        self.access.check_run(run, self.session)

    def check_model(self, model: ModelSpec) -> None:
        self.access.check_model(model)

    def check_source(self, source: str) -> None:
        self.access.check_source(source, self.session)


_NOBODY = Visitor(Access(ServeSpec()), "direct")
_visitor: ContextVar[Visitor] = ContextVar("visitor", default=_NOBODY)


def visitor() -> Visitor:
    """Whose event is being handled."""
    return _visitor.get()


@contextmanager
def visit(who: Visitor) -> Iterator[None]:
    """Handle an event for somebody."""
    token = _visitor.set(who)
    try:
        yield
    finally:
        _visitor.reset(token)
