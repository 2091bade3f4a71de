"""The environment variables that local processes inherit from the shell that deploys them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

INHERITED = (
    # The user and the system.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    # Python and the libraries that it loads.
    "PYTHON*",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    # The network: proxies and certificate authorities.
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    # Traces.
    "OTEL_*",
)
"""Names, and patterns that end in `*`. Cloud credentials are not among them: `pass_env` adds what a stack needs."""

INHERITED_BY_WORKERS = (
    # Models and the hardware that they run on.
    "HF_*",
    "TRANSFORMERS_*",
    "TOKENIZERS_*",
    "TORCH*",
    "PYTORCH_*",
    "CUDA_*",
    "NVIDIA_*",
    "OMP_*",
    "MKL_*",
)
"""Variables that only workers inherit, in addition to the others. `HF_TOKEN` is among them."""

NEVER_INHERITED = "PULUMI_*"
"""Variables of the deployment itself, above all the passphrase of its secrets."""


def select_variables(
    environment: Mapping[str, str], more: Iterable[str] = (), *, for_worker: bool = False
) -> dict[str, str]:
    """Return the variables that a local process gets.

    Args:
        environment: the variables of the deploying shell.
        more: names or patterns of further variables, as in `pass_env`.
        for_worker: whether the process is a worker, which runs a model.
    """
    patterns = (*INHERITED, *(INHERITED_BY_WORKERS if for_worker else ()), *more)
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not fnmatchcase(name, NEVER_INHERITED)
    }
