"""What `make release` writes, and that it is made only after the upgrade test."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.previous_release import ARCHIVES, archive, pack, previous_version, unpack
from deploy.release import bill_of_materials, checksums, notes, with_version
from facepair import __version__

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## 0.3.0 - unreleased\n- New.\n\n## 0.2.0 - 2026-11-28\n\n- Old.\n\n## 0.1.0 - 2026-01-01\n"


def test_the_version_is_written_in_one_place() -> None:
    texts = ("pyproject.toml", "template.yaml", "samconfig.toml", "Makefile", "README.md")

    assert [name for name in texts if f'"{__version__}"' in (ROOT / name).read_text()] == []


def test_the_changelog_has_a_section_of_the_version() -> None:
    assert f"\n## {__version__} - " in (ROOT / "CHANGELOG.md").read_text()


def test_notes_are_the_changelog_s_section() -> None:
    assert notes(CHANGELOG, "0.2.0") == "# facepair 0.2.0 (2026-11-28)\n\n- Old.\n"


@pytest.mark.parametrize(("version", "why"), [("0.3.0", "Write the day of the release"), ("0.4.0", "has no section")])
def test_a_version_that_the_changelog_does_not_release_is_refused(version: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        notes(CHANGELOG, version)


def test_the_bill_of_materials_has_every_locked_package_once() -> None:
    locked = (ROOT / "layers" / "dependencies" / "requirements.txt").read_text()

    bill = bill_of_materials(locked, "0.2.0")

    listed = [f"{each['name']}=={each['version']}" for each in bill["components"]]
    assert listed == [line.split()[0] for line in locked.splitlines() if line[:1].isalnum()]
    assert len(listed) > 10
    assert bill["metadata"]["component"]["version"] == "0.2.0"
    assert {"pkg:pypi/boto3", "pkg:pypi/aws-lambda-powertools"} <= {
        each["purl"].partition("@")[0] for each in bill["components"]
    }


def test_the_bill_of_materials_is_valid_cyclonedx() -> None:
    locked = (ROOT / "layers" / "dependencies" / "requirements.txt").read_text()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    bill = bill_of_materials(locked, __version__)

    assert validator.validate_str(json.dumps(bill)) is None
    assert validator.validate_str(json.dumps(bill | {"specVersion": "1.5", "licences": []})) is not None


def test_the_packaged_template_names_the_version() -> None:
    assert with_version("A: b\nMetadata:\n  X: y\n", "0.2.0") == (
        "A: b\nMetadata:\n  Facepair:\n    Version: 0.2.0\n  X: y\n"
    )
    with pytest.raises(ValueError, match="no Metadata"):
        with_version("A: b\n", "0.2.0")


def test_checksums_are_what_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"wheel")

    assert list(checksums(tmp_path)) == [f"{hashlib.sha256(b'wheel').hexdigest()}  a.whl"]


def test_the_repository_has_the_previous_release_for_the_upgrade_test(tmp_path: Path) -> None:
    root = unpack(tmp_path)

    assert sorted(path.name for path in root.iterdir()) == ["functions", "layers", "template.yaml"]
    assert [path.name for path in ARCHIVES.iterdir()] == [archive().name]


def test_the_previous_release_is_the_section_below_in_the_changelog() -> None:
    assert previous_version(CHANGELOG, "0.2.0") == "0.1.0"
    for version in ("0.1.0", "0.4.0"):
        with pytest.raises(ValueError, match="no section of a version before"):
            previous_version(CHANGELOG, version)


def test_the_archive_has_nothing_of_the_machine_that_made_it() -> None:
    with tarfile.open(archive()) as files:
        members = files.getmembers()

    assert {(member.uname, member.gname, member.mode) for member in members} <= {
        ("root", "root", mode) for mode in (0o644, 0o755)
    }
    assert len({member.mtime for member in members}) == 1  # the commit's


def test_a_commit_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="git cannot archive no-such-commit"):
        pack("no-such-commit")


def test_a_release_needs_the_upgrade_test_before_anything_is_built() -> None:
    planned = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "release", "BUCKET=b"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    steps = ["deploy.release check", "tests/e2e/test_an_update_of_the_release.py", "sam build", "hatchling build"]
    positions = [planned.index(step) for step in [*steps, "deploy.release files"]]
    assert positions == sorted(positions)


def test_a_package_needs_a_bucket() -> None:
    run = subprocess.run(["make", "package"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert "make package BUCKET=my-artefacts" in run.stderr
