"""A software bill of materials of this environment: what gaprune-viz needs, and what that needs, as CycloneDX JSON.

python scripts/sbom.py > sbom.json
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "gaprune-viz"


def needed(name: str) -> Iterator[str]:
    """What an installed distribution needs here, extras left out."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def closure(root: str) -> dict[str, list[str]]:
    """Every needed distribution that is installed, with what it needs."""
    found: dict[str, list[str]] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = sorted(set(needed(name)))
        except PackageNotFoundError:
            continue
        waiting += found[name]
    return {name: [n for n in needs if n in found] for name, needs in sorted(found.items())}


def component(name: str) -> dict[str, Any]:
    found = distribution(name)
    version = found.version
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
    if expression := found.metadata.get("License-Expression"):
        entry["licenses"] = [{"expression": expression}]
    elif licence := _licence(found):
        entry["licenses"] = [{"license": {"name": licence}}]
    if digest := _record_digest(found):
        entry["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return entry


def _licence(found: Distribution) -> str:
    about = found.metadata
    classified = [line.rsplit("::", 1)[-1].strip() for line in about.get_all("Classifier") or () if "License" in line]
    plain = str(about.get("License") or "").strip().splitlines()
    return (plain[0] if plain and len(plain[0]) < 80 else "") or next(iter(classified), "")


def _record_digest(found: Distribution) -> str:
    """SHA-256 of the installed METADATA, as pip recorded it."""
    record = found.read_text("RECORD") or ""
    match = re.search(r"^[^\n]*\.dist-info/METADATA,sha256=([\w-]+)", record, flags=re.MULTILINE)
    return base64.urlsafe_b64decode(match[1] + "==").hex() if match else ""


def main() -> None:
    needs = closure(ROOT)
    refs = {name: component(name)["bom-ref"] for name in needs}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**component(ROOT), "type": "application"}},
        "components": [component(name) for name in needs if name != ROOT],
        "dependencies": [{"ref": refs[name], "dependsOn": [refs[n] for n in names]} for name, names in needs.items()],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
