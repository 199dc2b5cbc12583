"""Count the words that this project replaces by plainer ones: `python -m tests.docs.words`.

Prose is every Markdown file, comments, strings and test names of Python, and the comments and texts of the template,
the Makefile and the pages. At most `LIMIT` in 1,000 words.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 0.5
"""Replaced words per 1,000 words."""

REPLACED = re.compile(
    r"\b(?:nobody|somebody|anybody|whoever|whomever|whom|tell|tells|telling|told|he|him|his|himself"
    r"|for so long|(?:still|is|are|one) at it|asks? nothing|stor(?:y|ies)|trials?|crowded"
    r"|postpone[sd]?|postponements?|underway|under way"
    r"|permits?|permitted|permitting|permission to call|mend|mends|mended|mending|aside|hurry|hurries"
    r"|put(?:s|ting)? off|g(?:o|oes|oing|one) out|went out"
    r"|(?<!dead )(?<!-)letters?(?! and digits))\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z][A-Za-z']*")
WHOLE = {".md", ".yaml", ".yml", ".html", ".toml", ".js", ".css"}
THIS = "tests/docs/words.py"


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield a file's prose as (line, text)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _prose_of_python(text)
    elif path.suffix in WHOLE or path.name == "Makefile":
        yield from enumerate(text.splitlines(), 1)


def _prose_of_python(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE):
            yield from enumerate(token.string.splitlines(), token.start[0])
        elif token.type == tokenize.NAME and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")


def count(root: Path = ROOT) -> tuple[int, dict[str, list[tuple[int, str]]]]:
    """Return the number of words, and for each file the replaced words with their lines."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    words, found = 0, {}
    for name in filter(None, listed.split("\0")):
        if name == THIS or not (root / name).is_file() or not _has_prose(root / name):
            continue
        places = []
        for line, text in prose(root / name):
            words += len(WORD.findall(text))
            places += [(line, match[0].lower()) for match in REPLACED.finditer(text)]
        if places:
            found[name] = places
    return words, found


def _has_prose(path: Path) -> bool:
    return path.suffix in WHOLE | {".py"} or path.name == "Makefile"


def main() -> int:
    words, found = count()
    total = sum(map(len, found.values()))
    rate = 1000 * total / words
    for name, places in sorted(found.items(), key=lambda each: -len(each[1])) if rate > LIMIT or sys.argv[1:] else ():
        print(f"{len(places):4}  {name}: " + ", ".join(f"{line} {word}" for line, word in places[:12]))
    often = Counter(word for places in found.values() for _, word in places)
    print(f"{total} of {words} words ({rate:.2f} in 1,000; at most {LIMIT}): {often.most_common(12)}")
    return int(rate > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
