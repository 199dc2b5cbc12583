"""The previous release, which the upgrade test deploys and then updates: `make previous COMMIT=v0.1.0`.

An archive in the repository, because a checkout in continuous integration may have neither tags nor history. It holds
what that commit deploys and is the same wherever it is made; `git get-tar-commit-id` names its commit.
"""

import lzma
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from facepair import __version__

ROOT = Path(__file__).parents[1]
ARCHIVES = ROOT / "tests" / "previous_release"
DEPLOYED = ("template.yaml", "functions", "layers")


def previous_version(changelog: str, version: str) -> str:
    """Return the version below the given one in the changelog. Raises ValueError if there is none."""
    versions = re.findall(r"^## (\S+) - ", changelog, re.MULTILINE)
    if version not in versions[:-1]:
        raise ValueError(
            f"CHANGELOG.md has no section of a version before {version}. Add {version} above the last release."
        )
    return str(versions[versions.index(version) + 1])


def archive() -> Path:
    """Return the archive of the release before this one. Raises ValueError if the repository does not have it."""
    version = previous_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    path = ARCHIVES / f"facepair-{version}.tar.xz"
    if not path.exists():
        raise ValueError(f"There is no {path.relative_to(ROOT)}. Make it: make previous COMMIT=v{version}")
    return path


def pack(commit: str) -> bytes:
    """Return the archive of a commit. Raises ValueError if git does not have the commit."""
    command = ["git", "-c", "tar.umask=0022", "archive", "--format=tar", commit, *DEPLOYED]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise ValueError(f"git cannot archive {commit}: {packed.stderr.decode().strip()}")
    return lzma.compress(packed.stdout, preset=9)


def unpack(folder: Path) -> Path:
    """Unpack the previous release into a folder, and return the folder. Raises ValueError as `archive` does."""
    with tarfile.open(archive()) as files:
        files.extractall(folder, filter="data")
    return folder


def main(commit: str) -> None:
    version = previous_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    packed = pack(commit)
    ARCHIVES.mkdir(exist_ok=True)
    outdated = [*ARCHIVES.iterdir()]
    new = ARCHIVES / f"facepair-{version}.tar.xz"
    new.write_bytes(packed)
    for each in outdated:
        if each != new:
            each.unlink()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
