"""How a request shows who sends it."""

from typing import Annotated, Any, Literal

import msgspec

from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.paging import RequestOption

_Requester = Annotated[dict[str, Any], names_of_types("HttpRequester", "CustomRequester")]
AUTHENTICATORS = (
    "ApiKeyAuthenticator",
    "BasicHttpAuthenticator",
    "BearerAuthenticator",
    "OAuthAuthenticator",
    "JwtAuthenticator",
    "SessionTokenAuthenticator",
    "SelectiveAuthenticator",
    "CustomAuthenticator",
    "NoAuth",
    "LegacySessionTokenAuthenticator",
)
"""Those that any request may have."""

_Authenticator = Annotated[dict[str, Any], names_of_types(*AUTHENTICATORS)]


class NoAuth(Component, frozen=True):
    pass


class ApiKeyAuthenticator(Component, frozen=True):
    """header: in place of an option that injects into it."""

    api_token: str | None = None
    header: str | None = None
    inject_into: RequestOption | None = None


class BearerAuthenticator(Component, frozen=True):
    api_token: str


class BasicHttpAuthenticator(Component, frozen=True):
    username: str
    password: str = ""


class JwtHeaders(msgspec.Struct, frozen=True, kw_only=True):
    kid: str | None = None
    typ: str | None = "JWT"
    cty: str | None = None


class JwtPayload(msgspec.Struct, frozen=True, kw_only=True):
    iss: str | None = None
    sub: str | None = None
    aud: str | None = None


class JwtAuthenticator(Component, frozen=True):
    """token_duration: in seconds."""

    secret_key: str
    algorithm: Literal[
        "HS256",
        "HS384",
        "HS512",
        "ES256",
        "ES256K",
        "ES384",
        "ES512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "EdDSA",
    ]
    base64_encode_secret_key: bool = False
    token_duration: int = 1200
    header_prefix: str | None = None
    jwt_headers: JwtHeaders | None = None
    additional_jwt_headers: dict[str, Any] | None = None
    jwt_payload: JwtPayload | None = None
    additional_jwt_payload: dict[str, Any] | None = None
    passphrase: str | None = None
    request_option: RequestOption | None = None


class RefreshTokenUpdater(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the configuration the tokens are that an API replaces whenever they are used."""

    refresh_token_name: str = "refresh_token"  # noqa: S105 -- the name of a field
    access_token_config_path: tuple[str, ...] = ("credentials", "access_token")
    refresh_token_config_path: tuple[str, ...] = ("credentials", "refresh_token")
    token_expiry_date_config_path: tuple[str, ...] = ("credentials", "token_expiry_date")
    refresh_token_error_status_codes: tuple[int, ...] = ()
    refresh_token_error_key: str = ""
    refresh_token_error_values: tuple[str, ...] = ()


class OAuthAuthenticator(Component, frozen=True):
    client_id_name: str = "client_id"
    client_id: str | None = None
    client_secret_name: str = "client_secret"  # noqa: S105 -- the name of a field
    client_secret: str | None = None
    refresh_token_name: str = "refresh_token"  # noqa: S105 -- the name of a field
    refresh_token: str | None = None
    token_refresh_endpoint: str | None = None
    access_token_name: str = "access_token"  # noqa: S105 -- the name of a field
    access_token_value: str | None = None
    expires_in_name: str = "expires_in"
    grant_type_name: str = "grant_type"
    grant_type: str = "refresh_token"
    refresh_request_body: dict[str, Any] | None = None
    refresh_request_headers: dict[str, Any] | None = None
    send_refresh_request_as_query_params: bool = False
    scopes: tuple[str, ...] | None = None
    token_expiry_date: str | None = None
    token_expiry_date_format: str | None = None
    refresh_token_error_status_codes: tuple[int, ...] = ()
    refresh_token_error_key: str = ""
    refresh_token_error_values: tuple[str, ...] = ()
    refresh_token_updater: RefreshTokenUpdater | None = None
    profile_assertion: JwtAuthenticator | None = None
    use_profile_assertion: bool = False


class SessionTokenRequestApiKeyAuthenticator(Component, frozen=True, tag="ApiKey"):
    inject_into: RequestOption
    api_token: str = "{{ session_token }}"  # noqa: S105 -- a template


class SessionTokenRequestBearerAuthenticator(Component, frozen=True, tag="Bearer"):
    pass


class SessionTokenAuthenticator(Component, frozen=True):
    """login_requester: its answer has the token. expiration_duration: ISO 8601; without one each request logs in anew."""

    login_requester: _Requester
    session_token_path: tuple[str, ...]
    request_authentication: SessionTokenRequestApiKeyAuthenticator | SessionTokenRequestBearerAuthenticator
    expiration_duration: str | None = None
    decoder: dict[str, Any] | None = None


class LegacySessionTokenAuthenticator(Component, frozen=True):
    """login_url, validate_session_url: what follows the requester's url_base."""

    header: str
    login_url: str
    session_token_response_key: str
    validate_session_url: str
    session_token: str | None = None
    username: str | None = None
    password: str = ""


class SelectiveAuthenticator(Component, frozen=True):
    """One of several, by a value of the configuration."""

    authenticator_selection_path: tuple[str, ...]
    authenticators: dict[str, _Authenticator]
