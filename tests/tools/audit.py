"""Known vulnerabilities of all pinned packages, by pip-audit; says so if its service cannot be reached.

python -m tests.tools.audit PIP_AUDIT
"""

from __future__ import annotations

import json
import subprocess
import sys

FILES = ("constraints.txt", "deploy/requirements-cpu.txt", "deploy/requirements-gpu.txt")


def main(program: str) -> int:
    """1 if anything is vulnerable."""
    flawed, skipped, audited = set(), set(), 0
    for file in FILES:
        words = [program, "--requirement", file, "--no-deps", "--disable-pip", "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True)
        if not done.stdout:
            sys.exit(f"{file}: {done.stderr.strip()}")
        for each in json.loads(done.stdout)["dependencies"]:
            if "skip_reason" in each:
                skipped.add(each["name"])
                continue
            audited += 1
            flawed |= {f"{each['name']} {each['version']}: {flaw['id']}" for flaw in each["vulns"]}
    if not audited:
        print("pip-audit's service cannot be reached: nothing was audited (tests/test_known_floors.py holds)")
        return 0
    if skipped:
        print(f"not known to the service: {', '.join(sorted(skipped))}")
    print("\n".join(sorted(flawed)) or f"{audited} pins audited, none with a known vulnerability")
    return 1 if flawed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
