"""A collection's folder, wherever it is: on disk, or in an archive that is unpacked for as long as it is read."""

from __future__ import annotations

import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gaprune_viz.data.beir import is_beir
from gaprune_viz.data.collections.file_discovery import CORPUS, JUDGEMENTS, NEEDED, QRELS, QUERIES, TABLES, stem
from gaprune_viz.data.readers.limits import MAX_FILE_BYTES, MAX_UNCOMPRESSED_BYTES, MIB
from gaprune_viz.data.readers.saved_datasets import is_saved
from gaprune_viz.data.readers.streams import plain_ending
from gaprune_viz.data.text_files import check_file, unreadable
from gaprune_viz.errors import GapruneError

ARCHIVE = ".zip"
MAX_MEMBERS = 10_000
_DIRECTORY_BYTES = 4 * MIB
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name."""
    return path.suffix.lower() == ARCHIVE and not path.is_dir()


def is_collection(path: Path) -> bool:
    """Whether a path is read as a collection: a folder that `datasets` did not save, or an archive."""
    return (path.is_dir() and not is_saved(path)) or is_archive(path)


@contextmanager
def collection_folder(path: Path) -> Iterator[Path]:
    """The folder of a collection; that of an archive is deleted again.

    Raises:
        GapruneError: a folder is in no form that we read; an archive is damaged, too large, names a path outside
            itself, or holds no collection or several.
    """
    if not is_archive(path):
        if not is_beir(path):
            raise GapruneError(
                f"{path.resolve().name} is a folder, but not in BEIR form.",
                f"{NEEDED} To use a file in a folder, give the file.",
            )
        yield path
        return
    check_file(path)
    with tempfile.TemporaryDirectory(prefix="gaprune-zip-") as place:
        yield _unpacked(path, Path(place))


def _unpacked(path: Path, place: Path) -> Path:
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            members = _wanted(path, archive.infolist())
            top = next(iter(members)).parent.name or path.stem
            folder = place / (re.sub(r"[^\w.-]+", "_", top).strip(".") or "collection")
            (folder / "qrels").mkdir(parents=True)
            total = 0
            for name, member in members.items():
                inside = Path(*(["qrels"] if name.parent.name == "qrels" else []), name.name)
                total += _copy(path, archive, member, folder / inside, MAX_UNCOMPRESSED_BYTES - total)
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, RuntimeError, ValueError) as error:
        raise GapruneError(f"{path.name} is no whole zip archive ({error}).", "Pack it anew.") from error
    return folder


def _check_directory(path: Path) -> None:
    """Refuse an archive whose table of contents is larger than any collection's, before it is read.

    Raises:
        GapruneError: so.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 66_000))
        tail = file.read()
    # Which of several such records counts is for the library to say: the largest is looked at.
    ends = (found.start() for found in re.finditer(rb"(?=PK\x05\x06)", tail))
    listed = max((int.from_bytes(tail[end + 12 : end + 16], "little") for end in ends), default=0)
    if listed > _DIRECTORY_BYTES or b"PK\x06\x07" in tail:
        raise GapruneError(
            f"{path.name} lists more files than a collection has.", "Pack the folder of one collection alone."
        )


def _wanted(path: Path, members: list[zipfile.ZipInfo]) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The members that make a collection, by name, the corpus first.

    Raises:
        GapruneError: there are too many members, one leads outside, or they make no collection or several.
    """
    if len(members) > MAX_MEMBERS:
        raise GapruneError(f"{path.name} holds more than {MAX_MEMBERS:,} files.", "Pack one collection alone.")
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in members:
        name = PurePosixPath(member.filename)
        _refuse_escape(path, member, name)
        file = Path(name.name)
        table = stem(file) in (*CORPUS, *QUERIES) and plain_ending(file) in TABLES
        judged = (name.parent.name == "qrels" or stem(file).startswith(QRELS[0])) and plain_ending(file) in JUDGEMENTS
        if not member.filename.endswith("/") and (table or judged) and re.fullmatch(r"\w[\w.-]*", file.name):
            found[name] = member
    tops = {name.parent for name in found if stem(Path(name.name)) in CORPUS}
    if len(tops) != 1:
        what = "no BEIR folder" if not tops else "several collections"
        raise GapruneError(f"{path.name} holds {what}.", f"{NEEDED} Pack one alone.")
    top = tops.pop()
    inside = {name: m for name, m in found.items() if name.parent == top or name.parent == top / "qrels"}
    return dict(sorted(inside.items(), key=lambda item: stem(Path(item[0].name)) not in CORPUS))


def _refuse_escape(path: Path, member: zipfile.ZipInfo, name: PurePosixPath) -> None:
    raw = member.filename
    link = stat.S_ISLNK(member.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or "\\" in raw or ":" in raw or link:
        what = "a link" if link else "a path that leads outside"
        raise GapruneError(f"{path.name} holds {what} ({raw[:80]!r}).", "Pack the folder of one collection alone.")


def _copy(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, left: int) -> int:
    """Unpack one member; its bytes are counted as they come, whatever the archive says of them."""
    if member.flag_bits & 1:
        raise GapruneError(f"{path.name} is encrypted.", "Pack it without a password.")
    if member.compress_type not in _METHODS:
        raise GapruneError(f"{path.name} is packed in a way that is not read.", "Pack it with deflate, the usual way.")
    most, count = min(MAX_FILE_BYTES, left), 0
    with archive.open(member) as source, place.open("wb") as out:
        while part := source.read(MIB):
            count += len(part)
            if count > most:
                raise GapruneError(
                    f"{path.name}: {member.filename[:80]} has more than {most // MIB} MiB when unpacked.",
                    "Keep a part of its rows.",
                )
            out.write(part)
    return count
