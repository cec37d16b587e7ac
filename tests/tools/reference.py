"""Writes docs/reference.md, all options of all commands: `python -m tests.tools.reference`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from jobs.completion import every
from jobs.helping import GENERAL, Group, Option, Page, whole_page
from jobs.main import EXIT_CODES

FILE = Path(__file__).parents[2] / "docs/reference.md"

SHARED = 3
"""A group of options that so many commands have is written down once."""

HEAD = f"""# All options

Every command with every option, as `selfinstruct COMMAND --help-all` has them; `--help` has those that one needs.
Options in a YAML file (`--config`) have the same names, as `novelty.threshold: 0.6` or `novelty: {{threshold: 0.6}}`.
Those that stand in recipes and config files alone are in `selfinstruct recipes paper`. The page is written by
`python -m tests.tools.reference`.

```text
{EXIT_CODES}
```

## Every command
"""


def reference() -> str:
    """The page."""
    pages = [whole_page(command) for command in every()]
    often = Counter(str(group) for page in pages for group in page.groups)
    shared = {str(group): group for page in pages for group in page.groups if often[str(group)] >= SHARED}
    lines = [HEAD, *_table(GENERAL)]
    for page in pages:
        lines += _section(page, shared.keys())
    lines.append("## Several commands\n")
    for group in shared.values():
        _, _, text = group.heading.partition(": ")
        lines += [f"### {_name(group)}\n", f"{text[:1].upper()}{text[1:]}.\n", *_table(group.options)]
    return "\n".join(lines).rstrip() + "\n"


def _section(page: Page, shared: Sequence[str]) -> Iterator[str]:
    yield f"## selfinstruct {page.name}\n"
    yield f"{page.text}\n"
    yield "\n".join(["```text", page.usage, *(["", *page.examples] if page.examples else []), "```\n"])
    if page.needed:
        yield "Must be given:\n"
        yield from _table(page.needed)
    elsewhere = [_name(group) for group in page.groups if str(group) in shared]
    for group in page.groups:
        if str(group) not in shared:
            name, _, text = group.heading.partition(": ")
            yield f"`{name}`: {text}\n" if text else "Options:\n"
            yield from _table(group.options)
    if elsewhere:
        yield f"And those of {', '.join(f'[`--{name}`](#{name})' for name in elsewhere)}.\n"


def _name(group: Group) -> str:
    return group.heading.partition(": ")[0].removeprefix("--")


def _table(options: Sequence[Option]) -> Iterator[str]:
    """A row for each option."""
    yield "| option | what it says | default |\n|---|---|---|"
    for each in options:
        default = f"`{_cell(each.default)}`" if each.default else ""
        yield f"| `{_cell(each.usage)}` | {_cell(each.text)} | {default} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
