"""`make dashboard`: put dashboard.json into template.yaml.

CloudFormation needs the body as text and cannot read a file next to the template.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("dashboard.json")
IN_TEMPLATE = re.compile(r"(?<=      DashboardBody: !Sub ).*")


def body() -> str:
    """Return the file on one line, for `!Sub`. Raises ValueError with the position if it is not JSON."""
    return json.dumps(json.loads(FILE.read_text(encoding="utf-8")), separators=(",", ":"))


def put_into(template: Path) -> None:
    quoted = "'" + body().replace("'", "''") + "'"
    text, count = IN_TEMPLATE.subn(lambda _: quoted, template.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{template} must have one line `DashboardBody: !Sub`; it has {count}")
    template.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    put_into(ROOT / "template.yaml")
