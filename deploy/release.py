"""`make release`: build the release's files in dist/.

`check` rejects a release without a changelog section, or without the previous release for the upgrade test. `template`
writes the version into the packaged template. `files` adds the bill of materials (CycloneDX), the notes from the
changelog, and checksums.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy import previous_release
from facepair import __version__

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
CHECKSUMS = "SHA256SUMS"


def notes(changelog: str, version: str) -> str:
    """Return a version's changelog section. Raises ValueError if it is missing or unreleased."""
    found = re.search(rf"^## {re.escape(version)} - ([^\n]+)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError(f"CHANGELOG.md has no section of {version}. Add one.")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", found[1]):
        raise ValueError(f"CHANGELOG.md dates {version} as {found[1]!r}. Write the day of the release there.")
    return f"# facepair {version} ({found[1]})\n\n{found[2].strip()}\n"


def bill_of_materials(requirements: str, version: str) -> dict[str, Any]:
    """Return the CycloneDX document of the packages in Lambda, from their locked requirements."""
    application = {"type": "application", "bom-ref": "facepair", "name": "facepair", "version": version}
    components = [
        {
            "type": "library",
            "bom-ref": (purl := f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{pinned}"),
            "name": name,
            "version": pinned,
            "purl": purl,
        }
        for name, pinned in PINNED.findall(requirements)
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": application | {"licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": components,
    }


def with_version(template: str, version: str) -> str:
    """Return a template with the version in its Metadata. Raises ValueError if it has none."""
    marked, count = re.subn(r"^Metadata:\n", f"Metadata:\n  Facepair:\n    Version: {version}\n", template, flags=re.M)
    if count != 1:
        raise ValueError("dist/packaged.yaml has no Metadata, where the version belongs.")
    return marked


def checksums(folder: Path) -> Iterator[str]:
    """Yield a line per file for `sha256sum --check`."""
    for path in sorted(folder.iterdir()):
        if path.name != CHECKSUMS:
            yield f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"


def main(step: str) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if step == "check":
        notes(changelog, __version__)
        previous_release.archive()
    elif step == "template":
        packaged = DIST / "packaged.yaml"
        packaged.write_text(with_version(packaged.read_text(encoding="utf-8"), __version__), encoding="utf-8")
    else:
        locked = (ROOT / "layers" / "dependencies" / "requirements.txt").read_text(encoding="utf-8")
        bill = json.dumps(bill_of_materials(locked, __version__), indent=2) + "\n"
        (DIST / f"facepair-{__version__}.cdx.json").write_text(bill, encoding="utf-8")
        (DIST / "NOTES.md").write_text(notes(changelog, __version__), encoding="utf-8")
        (DIST / CHECKSUMS).write_text("".join(f"{line}\n" for line in checksums(DIST)), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
