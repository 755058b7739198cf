"""How the requests of a made-up stream are sent: credentials, what is done about errors, pages."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

API = "http://api.example.com"


def options(name: str, *places: str) -> st.SearchStrategy[Json]:
    return st.sampled_from(places or ("request_parameter", "header")).map(
        lambda place: {"type": "RequestOption", "inject_into": place, "field_name": name}
    )


_secret = "{{ config['key'] }}"
plain_authenticators: st.SearchStrategy[Json] = st.sampled_from(
    [
        {"type": "NoAuth"},
        {"type": "BearerAuthenticator", "api_token": _secret},
        {"type": "BasicHttpAuthenticator", "username": "{{ config.user }}", "password": "{{ config['secret'] }}"},
        {"type": "ApiKeyAuthenticator", "api_token": _secret, "header": "X-Key"},
        {
            "type": "ApiKeyAuthenticator",
            "api_token": _secret,
            "inject_into": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "api_key"},
        },
        {
            "type": "JwtAuthenticator",
            "secret_key": "{{ config['secret'] }}",
            "algorithm": "HS256",
            "token_duration": 600,
            "jwt_payload": {"iss": "{{ config['user'] }}"},
        },
    ]
)
_oauth = st.fixed_dictionaries(
    {
        "type": st.just("OAuthAuthenticator"),
        "grant_type": st.just("client_credentials"),
        "token_refresh_endpoint": st.just("http://login.example.com/token"),
        "client_id": st.just("{{ config['user'] }}"),
        "client_secret": st.just("{{ config['secret'] }}"),
    },
    optional={"access_token_name": st.just("token"), "scopes": st.just(["read", "list"])},
)
_sessions = st.fixed_dictionaries(
    {
        "type": st.just("SessionTokenAuthenticator"),
        "login_requester": st.just(
            {
                "type": "HttpRequester",
                "url_base": API,
                "path": "login",
                "http_method": "POST",
                "request_body_json": {"user": "{{ config['user'] }}", "password": "{{ config['secret'] }}"},
            }
        ),
        "session_token_path": st.just(["data", "token"]),
        "expiration_duration": st.just("PT1H"),
        "request_authentication": st.sampled_from(
            [
                {"type": "Bearer"},
                {
                    "type": "ApiKey",
                    "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "X-Session"},
                },
            ]
        ),
    }
)
authenticators: st.SearchStrategy[Json] = st.one_of(
    plain_authenticators,
    plain_authenticators,
    _oauth,
    _sessions,
    st.tuples(plain_authenticators, plain_authenticators).map(
        lambda two: {
            "type": "SelectiveAuthenticator",
            "authenticator_selection_path": ["auth", "type"],
            "authenticators": {"token": two[0], "other": two[1]},
        }
    ),
)

_waits = st.one_of(
    st.sampled_from([1, 2.5, "{{ config['size'] }}"]).map(
        lambda seconds: {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": seconds}
    ),
    st.sampled_from([1, 2]).map(lambda factor: {"type": "ExponentialBackoffStrategy", "factor": factor}),
    st.just({"type": "WaitTimeFromHeader", "header": "Retry-After"}),
    st.just({"type": "WaitTimeFromHeader", "header": "Retry-After", "regex": "[0-9]+"}),
)
_filters = st.sampled_from(
    [
        {"type": "HttpResponseFilter", "http_codes": [429], "action": "RATE_LIMITED"},
        {"type": "HttpResponseFilter", "http_codes": [500, 418], "action": "RETRY"},
        {"type": "HttpResponseFilter", "predicate": "{{ 'purpose' in response.get('error', '') }}", "action": "RETRY"},
        {
            "type": "HttpResponseFilter",
            "error_message_contains": "on purpose",
            "action": "RETRY",
            "error_message": "again",
        },
    ]
)
_handlers = st.fixed_dictionaries(
    {"type": st.just("DefaultErrorHandler")},
    optional={
        "max_retries": st.sampled_from([3, 7, "{{ config['size'] }}"]),
        "backoff_strategies": st.lists(_waits, min_size=1, max_size=2),
        "response_filters": st.lists(_filters, min_size=1, max_size=2),
    },
)
error_handlers: st.SearchStrategy[Json] = st.one_of(
    _handlers,
    _handlers,
    st.lists(_handlers, min_size=1, max_size=2).map(
        lambda handlers: {"type": "CompositeErrorHandler", "error_handlers": handlers}
    ),
)


@st.composite
def paginators(draw: st.DrawFn, method: str, path: list[str]) -> Json:
    kind = draw(
        st.sampled_from(["NoPagination", "PageIncrement", "OffsetIncrement", "CursorPagination", "RequestPath"])
    )
    if kind == "NoPagination":
        return {"type": kind}
    places = ("request_parameter", "header", *(["body_json"] if method == "POST" else []))
    size = draw(st.sampled_from([2, 3, "{{ config['size'] }}"]))
    strategy: Json = {"type": kind, "page_size": size}
    paginator: Json = {"type": "DefaultPaginator", "pagination_strategy": strategy}
    paginator["page_token_option"] = draw(options("page", *places))
    if draw(st.booleans()):
        paginator["page_size_option"] = draw(options("limit", *places))
    is_object = path[:1] not in ([], ["*"])
    if kind == "RequestPath":
        strategy["type"] = "CursorPagination"
        strategy["cursor_value"] = draw(
            st.sampled_from(["{{ headers['link']['next']['url'] }}", *(["{{ response.next }}"] if is_object else [])])
        )
        if strategy["cursor_value"].startswith("{{ headers"):
            strategy["stop_condition"] = "{{ 'next' not in headers['link'] }}"
        paginator["page_token_option"] = {"type": "RequestPath"}
    elif kind == "CursorPagination":
        values = ["{{ headers['X-Next'] }}"]
        if is_object:
            values += [
                "{{ response.next }}",
                "{{ response['meta']['after'] }}",
                "{{ response.get('cursor', {}).get('next') }}",
            ]
        strategy["cursor_value"] = draw(st.sampled_from(values))
        conditions = [None, "{{ last_page_size == 0 }}", "{{ last_page_size < 2 }}"]
        if is_object:
            conditions += ["{{ not response.more }}", "{{ response.meta.done is true }}"]
        condition = draw(st.sampled_from(conditions))
        strategy |= {"stop_condition": condition} if condition else {}
    elif kind == "PageIncrement":
        strategy["start_from_page"] = draw(st.sampled_from([0, 1, 4]))
    if strategy["type"] in ("PageIncrement", "OffsetIncrement"):
        strategy["inject_on_first_request"] = draw(st.booleans())
    return paginator
