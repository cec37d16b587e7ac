"""Uploading an export as a dataset repository, through huggingface_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfinstruct.errors import FailureError, InputError
from selfinstruct.export.forms import FORMS, PREFERENCE


def check_name(repository: str) -> None:
    """InputError unless this can be the name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise InputError(f"--push_to_hub: {' '.join(str(error).split())}") from None


def push(folder: Path, repository: str, private: bool) -> str:
    """Upload in one commit, in which files of an earlier export go away; returns the dataset's address.

    Token and endpoint are those of huggingface_hub (HF_TOKEN, HF_ENDPOINT, `hf auth login`).

    Raises:
        InputError: the hub refuses: no token, no permission, no such owner.
        FailureError: the hub cannot be reached or does not take it. The folder stays; the same command tries again.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type="dataset",
            commit_message="Export of a Self-Instruct run",
            delete_patterns=[f"{form}/*" for form in (*FORMS, PREFERENCE)],
        )
    except LocalTokenNotFoundError as error:
        raise InputError(f"--push_to_hub: {_line(error)}; set HF_TOKEN or use `hf auth login`") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        kind = InputError if 400 <= status < 500 and status != 429 else FailureError
        raise kind(f"--push_to_hub: {repository}: {_line(error)}; the export itself lies in {folder}") from error
    except Exception as error:  # connections fail with errors of httpx, sockets, TLS and xet alike
        raise FailureError(
            f"--push_to_hub: {repository}: {_line(error)}; the export itself lies in {folder}"
        ) from error
    return str(address)


def _line(error: Any) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
