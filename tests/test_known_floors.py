"""Pinned versions against vulnerabilities that were known when this list was last looked over (November 2026).

`make audit` asks PyPI's service about all of them; this is what holds where that cannot be reached.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FILES = ("constraints.txt", "deploy/requirements-cpu.txt", "deploy/requirements-gpu.txt")

FLOORS = {
    "aiohttp": ("3.13.3", "CVE-2025-69223"),
    "certifi": ("2024.7.4", "CVE-2024-39689"),
    "cryptography": ("46.0.7", "CVE-2026-39892"),
    "filelock": ("3.20.3", "CVE-2026-22701"),
    "flask": ("3.1.3", "CVE-2026-27205"),
    "flask-cors": ("6.0.0", "CVE-2024-6221"),
    "fonttools": ("4.60.2", "CVE-2025-66034"),
    "h11": ("0.16.0", "CVE-2025-43859"),
    "idna": ("3.7", "CVE-2024-3651"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "joblib": ("1.2.0", "CVE-2022-21797"),
    "nltk": ("3.9", "CVE-2024-39705"),
    "pillow": ("12.1.1", "CVE-2026-25990"),
    "protobuf": ("6.33.5", "CVE-2026-0994"),
    "pyarrow": ("14.0.1", "CVE-2023-47248"),
    "pygments": ("2.20.0", "CVE-2026-4539"),
    "pytest": ("9.0.3", "CVE-2025-71176"),
    "python-multipart": ("0.0.22", "CVE-2026-24486"),
    "pyyaml": ("5.4", "CVE-2020-14343"),
    "ray": ("2.52.0", "CVE-2025-62593"),
    "requests": ("2.32.4", "CVE-2024-47081"),
    "scikit-learn": ("1.5.0", "CVE-2024-5206"),
    "setuptools": ("78.1.1", "CVE-2025-47273"),
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "torch": ("2.6.0", "CVE-2025-32434"),
    "tqdm": ("4.66.3", "CVE-2024-34062"),
    "transformers": ("5.10.0", "CVE-2026-4372"),
    "urllib3": ("2.7.0", "CVE-2026-44431"),
    "virtualenv": ("20.36.1", "CVE-2026-22702"),
    "vllm": ("0.22.0", "CVE-2026-41523"),
    "werkzeug": ("3.1.6", "CVE-2026-27199"),
}


def pins(file: str) -> dict[str, Version]:
    """By name as PyPI writes it."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in found}


@pytest.mark.parametrize("file", FILES)
def test_no_pin_is_known_to_be_vulnerable(file: str) -> None:
    pinned = pins(file)
    assert {
        name: f"{pinned[name]} has {flaw}, mended in {floor}"
        for name, (floor, flaw) in FLOORS.items()
        if name in pinned and pinned[name] < Version(floor)
    } == {}


def test_the_list_is_of_packages_that_we_install() -> None:
    assert set(FLOORS) <= set().union(*(pins(file) for file in FILES))
