"""Refuses to start a service that strangers could reach and nobody guards."""

from inference.access.errors import AccessConfigurationError
from inference.access.key_file import read_keys
from inference.access.loopback import is_loopback
from inference.settings import InferenceSettings


def require_guarded(settings: InferenceSettings, host: str) -> None:
    """Check, before a port of `host` opens, that credentials are asked for wherever other machines may call.

    Raises:
        AccessConfigurationError: nothing is configured and the address is not loopback, without
            `ROUNDTRIP_ALLOW_ANONYMOUS=true`; or what is configured cannot work.
    """
    require_whole(settings)
    if settings.api_keys is not None:
        read_keys(settings.api_keys)
    elif settings.oidc_issuer is None and not settings.allow_anonymous and not is_loopback(host):
        raise AccessConfigurationError(
            f"{host} is open to other machines, and nothing asks callers who they are; "
            "set ROUNDTRIP_API_KEYS (`python -m inference keys create NAME`) or ROUNDTRIP_OIDC_ISSUER, "
            "listen on 127.0.0.1, or say ROUNDTRIP_ALLOW_ANONYMOUS=true where something in front does"
        )


def require_whole(settings: InferenceSettings) -> None:
    """Check that what belongs together is set together.

    Raises:
        AccessConfigurationError: an issuer without the audience its tokens must be meant for, or reverse.
    """
    if (settings.oidc_issuer is None) != (settings.oidc_audience is None):
        raise AccessConfigurationError(
            "set both ROUNDTRIP_OIDC_ISSUER and ROUNDTRIP_OIDC_AUDIENCE: without an audience, "
            "a token made for any other service would open this one"
        )
