"""A public address through Gradio's servers, for `--share`: what is typed there passes through a third party."""

from __future__ import annotations

import os
import secrets

from ..mt.errors import ConfigError


def open_tunnel(port: int) -> str:
    """Open a tunnel to a port of this machine; it lasts as long as the process, and a week at most.

    Raises:
        ConfigError: Gradio's servers, or the program it fetches for this, cannot be reached.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from gradio import networking

    try:
        address = networking.setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except Exception as error:  # gradio raises whatever its parts raise: network, files, a program that does not run
        raise ConfigError(
            f"no public address is to be had: {error}", where="--share", hint="a reverse proxy of your own, with --allow-host"
        ) from error
    return address if "://" in address else f"https://{address}"
