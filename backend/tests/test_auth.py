"""Who may: every way to be refused on every one of the six routes, and what each refusal says."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.jwks import Answer, KeyServer, Signer, forged, key_server
from tests.support.server import serve, settings_for
from tests.support.tokens import SECRET, bearer, make_token

OWNER = "kK2pQ7vW9xY4zB6nM8cD1fG3hJ5lR0sT"
SIGNER = Signer("the-key")
ROUTES = {
    "list": ("GET", "/tasks", None),
    "create": ("POST", "/tasks", {"title": "x"}),
    "read": ("GET", "/tasks/1", None),
    "update": ("PUT", "/tasks/1", {"title": "x"}),
    "toggle": ("PATCH", "/tasks/1/complete", None),
    "delete": ("DELETE", "/tasks/1", None),
}
WRONG_IN_OTHER_WAYS = {
    "list, bad query": ("GET", "/tasks?status=no&sort=no&limit=no", None),
    "create, bad body": ("POST", "/tasks", {"title": 5}),
    "read, bad id": ("GET", "/tasks/abc", None),
    "update, bad body": ("PUT", "/tasks/0", {"title": None}),
    "toggle, bad id": ("PATCH", "/tasks/-1/complete", None),
    "delete, bad precondition": ("DELETE", "/tasks/1.5", None),
}
HS256 = {"alg": "HS256", "typ": "JWT"}


def claims(**changes: object) -> dict[str, object]:
    return {"sub": OWNER, "iat": int(time.time()), "exp": int(time.time()) + 900, **changes}


def by_secret(header: dict[str, object] | None = None, **changes: object) -> str:
    return forged(header or HS256, claims(**changes), SECRET.encode())


@pytest.fixture(scope="module")
def auth() -> Iterator[KeyServer]:
    with key_server(SIGNER) as server:
        yield server


@pytest.fixture(scope="module")
def api(auth: KeyServer, database_url: str) -> Iterator[httpx.Client]:
    """The service with both key sources."""
    with (
        serve(settings_for(database_url, better_auth_url=auth.url)) as running,
        httpx.Client(base_url=f"{running.url}/api/{OWNER}", timeout=30) as client,
    ):
        assert client.get("/tasks", headers=bearer(auth.token(SIGNER, OWNER))).status_code == 200
        yield client


@pytest.fixture(params=ROUTES.values(), ids=ROUTES)
def send(request: pytest.FixtureRequest, api: httpx.Client) -> Callable[..., httpx.Response]:
    method, path, body = request.param
    return lambda headers: api.request(method, path, json=body, headers=headers)


def is_refused(response: httpx.Response, status: int, detail: str) -> bool:
    """Whether this is exactly the problem document of that refusal, and nothing else was learnt."""
    problem = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem.pop("request_id") == response.headers["X-Request-ID"]
    title = {401: "Unauthorized", 403: "Forbidden"}[status]
    assert (response.status_code, problem) == (
        status,
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
    )
    return True


NO_TOKEN = {
    "no header": {},
    "empty header": {"Authorization": ""},
    "scheme alone": {"Authorization": "Bearer"},
    "Basic": {"Authorization": "Basic YWxpY2U6c2VjcmV0"},
    "token without scheme": {"Authorization": make_token(OWNER)},
    "another scheme": {"Authorization": f"Token {make_token(OWNER)}"},
    "scheme of the same beginning": {"Authorization": f"BearerX {make_token(OWNER)}"},
    "cookie": {"Cookie": f"better-auth.session_token={make_token(OWNER)}"},
}


@pytest.mark.parametrize("headers", NO_TOKEN.values(), ids=NO_TOKEN)
def test_without_a_bearer_token_nobody_is_authenticated(
    send: Callable[..., httpx.Response], headers: dict[str, str]
) -> None:
    response = send(headers)
    assert is_refused(response, 401, "Not authenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


BAD_TOKENS: dict[str, Callable[[KeyServer], str | bytes]] = {
    "malformed": lambda _: "malformed",
    "two parts": lambda _: ".".join(make_token(OWNER).split(".")[:2]),
    "four parts": lambda _: make_token(OWNER) + ".x",
    "dots": lambda _: "..",
    "not base64": lambda _: "!!!.???.###",
    "bytes beyond ASCII": lambda _: b"\xff\xfe." + "ä".encode(),
    "opaque session token": lambda _: "kK2pQ7vW9xY4zB6nM8cD1fG3hJ5lR0sT.q83v/Ee+x2w=",
    "two tokens": lambda _: f"{make_token(OWNER)} {make_token(OWNER)}",
    "header of a list": lambda _: forged([], claims(), SECRET.encode()),
    "payload of a list": lambda _: forged(HS256, [OWNER], SECRET.encode()),
    "payload of a text": lambda _: forged(HS256, OWNER, SECRET.encode()),
    "wrong secret": lambda _: make_token(OWNER, key="another secret, long enough to sign with"),
    "changed signature": lambda _: make_token(OWNER)[:-4] + "AAAA",
    "alg none": lambda _: forged({"alg": "none"}, claims()),
    "alg None": lambda _: forged({"alg": "None"}, claims()),
    "alg none, signed": lambda _: by_secret({"alg": "none"}),
    "no alg": lambda _: by_secret({"typ": "JWT"}),
    "alg of a number": lambda _: by_secret({"alg": 256}),
    "alg of a list": lambda _: by_secret({"alg": ["HS256"]}),
    "HS384": lambda _: forged({"alg": "HS384"}, claims(), SECRET.encode(), "sha384"),
    "HS512": lambda _: forged({"alg": "HS512"}, claims(), SECRET.encode(), "sha512"),
    "kid of a number": lambda _: by_secret({**HS256, "kid": 1}),
    "critical extension": lambda _: by_secret({**HS256, "crit": ["exp"], "exp": 1}),
    "unencoded payload": lambda _: by_secret({**HS256, "b64": False, "crit": ["b64"]}),
    "session cache cookie": lambda _: by_secret({**HS256, "typ": "better-auth.session-cache+jwt"}),
    "typ of a number": lambda _: by_secret({**HS256, "typ": 5}),
    "no exp": lambda _: by_secret(exp=None),
    "exp of a text": lambda _: by_secret(exp=str(int(time.time()) + 900)),
    "exp true": lambda _: by_secret(exp=True),
    "exp of a list": lambda _: by_secret(exp=[2**31]),
    "exp NaN": lambda _: by_secret(exp=float("nan")),
    "exp infinite": lambda _: by_secret(exp=float("inf")),
    "exp beyond any number": lambda _: by_secret(exp=10**4000),
    "exp of 5000 digits": lambda _: forged(HS256, b'{"sub": "x", "exp": ' + b"9" * 5000 + b"}", SECRET.encode()),
    "payload without end": lambda _: forged(HS256, b"[" * 5000, SECRET.encode()),
    "header without end": lambda _: forged(b"[" * 5000, claims(), SECRET.encode()),
    "payload not UTF-8": lambda _: forged(HS256, b"\xff{}", SECRET.encode()),
    "iat tomorrow": lambda _: by_secret(iat=time.time() + 86400),
    "iat of a text": lambda _: by_secret(iat="1"),
    "iat null": lambda _: by_secret(iat=None),
    "nbf tomorrow": lambda _: by_secret(nbf=time.time() + 86400),
    "nbf of an object": lambda _: by_secret(nbf={}),
    "iat in 20 s": lambda _: by_secret(iat=time.time() + 20),
    "nbf in 20 s": lambda _: by_secret(nbf=time.time() + 20),
    "by key, iat in 20 s": lambda auth: auth.token(SIGNER, OWNER, iat=time.time() + 20),
    "by key, nbf in 20 s": lambda auth: auth.token(SIGNER, OWNER, nbf=time.time() + 20),
    "no sub": lambda _: forged(HS256, {"id": OWNER, "userId": OWNER, "exp": 2**33}, SECRET.encode()),
    "e-mail verification": lambda _: forged(HS256, {"email": "a@b.c", "userId": OWNER, "exp": 2**33}, SECRET.encode()),
    "sub null": lambda _: by_secret(sub=None),
    "sub empty": lambda _: by_secret(sub=""),
    "sub of a number": lambda _: by_secret(sub=17),
    "sub false": lambda _: by_secret(sub=False),
    "sub of a list": lambda _: by_secret(sub=[OWNER]),
    "sub of an object": lambda _: by_secret(sub={"id": OWNER}),
    "sub of 256 characters": lambda _: by_secret(sub="x" * 256),
    "sub with NUL": lambda _: by_secret(sub=OWNER + "\0"),
    "sub with half a character": lambda _: by_secret(sub="\ud83d"),
    "foreign iss": lambda _: by_secret(iss="https://elsewhere.example"),
    "iss null": lambda _: by_secret(iss=None),
    "foreign aud": lambda _: by_secret(aud="https://elsewhere.example"),
    "aud null": lambda _: by_secret(aud=None),
    "aud of a number": lambda _: by_secret(aud=5),
    "aud as a member name": lambda auth: by_secret(aud={auth.url: True}),
    "aud nested": lambda auth: by_secret(aud=[[auth.url]]),
    "aud of the session cache": lambda auth: by_secret(aud=["better-auth:session-cache", auth.url]),
    "issuer with a slash": lambda auth: auth.token(SIGNER, OWNER, iss=auth.url + "/"),
    "by key, no iss": lambda auth: auth.token(SIGNER, OWNER, iss=None),
    "by key, no aud": lambda auth: auth.token(SIGNER, OWNER, aud=None),
    "by key, empty aud": lambda auth: auth.token(SIGNER, OWNER, aud=[]),
    "by key, no exp": lambda auth: auth.token(SIGNER, OWNER, exp=None),
    "by key, no kid": lambda auth: make_token(OWNER, key=SIGNER.private, alg="EdDSA", iss=auth.url, aud=auth.url),
    "by key, unknown kid": lambda auth: auth.token(SIGNER, OWNER, headers={"kid": "unknown"}),
    "by key, empty kid": lambda auth: auth.token(SIGNER, OWNER, headers={"kid": ""}),
    "by another key under a known kid": lambda auth: auth.token(Signer("the-key", name="another"), OWNER),
    "by a key of another kind under a known kid": lambda auth: auth.token(Signer("the-key", "ES256"), OWNER),
    "expired and wrong key": lambda _: make_token(OWNER, key="another secret, long enough to sign with", ttl=-60),
    "expired and foreign": lambda auth: auth.token(SIGNER, OWNER, ttl=-60, aud="https://elsewhere.example"),
    "expired and empty sub": lambda _: by_secret(exp=1, sub=""),
    "expired and not yet valid": lambda _: by_secret(exp=1, nbf=2**33),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bad_token_is_refused(
    send: Callable[..., httpx.Response], auth: KeyServer, token: Callable[[KeyServer], str | bytes]
) -> None:
    sent = token(auth)
    response = send({b"Authorization": b"Bearer " + (sent if isinstance(sent, bytes) else sent.encode())})
    assert is_refused(response, 401, "Invalid token")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


EXPIRED: dict[str, Callable[[KeyServer], str]] = {
    "by secret": lambda _: make_token(OWNER, ttl=-60),
    "by key": lambda auth: auth.token(SIGNER, OWNER, ttl=-60),
    "a number taken for seconds": lambda _: by_secret(iat=1, exp=3600),
    "before 1970": lambda _: by_secret(exp=-1),
    "a fraction": lambda _: by_secret(exp=time.time() - 10.5),
    "another user": lambda _: make_token("somebody-else", ttl=-60),
}


@pytest.mark.parametrize("token", EXPIRED.values(), ids=EXPIRED)
def test_a_token_whose_age_is_its_only_fault_is_called_expired(
    send: Callable[..., httpx.Response], auth: KeyServer, token: Callable[[KeyServer], str]
) -> None:
    response = send(bearer(token(auth)))
    assert is_refused(response, 401, "Token has expired")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("request_", WRONG_IN_OTHER_WAYS.values(), ids=WRONG_IN_OTHER_WAYS)
def test_who_is_not_authenticated_learns_nothing_of_what_else_is_wrong(
    api: httpx.Client, request_: tuple[str, str, object]
) -> None:
    method, path, body = request_
    assert is_refused(api.request(method, path, json=body), 401, "Not authenticated")
    for token, status, detail in (
        ("malformed", 401, "Invalid token"),
        (make_token(OWNER, ttl=-60), 401, "Token has expired"),
        (make_token("somebody-else"), 403, "User_id mismatch"),
    ):
        assert is_refused(api.request(method, path, json=body, headers=bearer(token)), status, detail)


OTHERS = {
    "another user": "somebody-else",
    "other case": OWNER.lower(),
    "a prefix": OWNER[:-1],
    "a space more": OWNER + " ",
    "id in another claim": "x",
}


@pytest.mark.parametrize("sub", OTHERS.values(), ids=OTHERS)
def test_nobody_gets_into_the_path_of_somebody_else(
    send: Callable[..., httpx.Response], auth: KeyServer, sub: str
) -> None:
    for token in (make_token(sub, id=OWNER, userId=OWNER), auth.token(SIGNER, sub, id=OWNER)):
        response = send(bearer(token))
        assert is_refused(response, 403, "User_id mismatch")
        assert "WWW-Authenticate" not in response.headers


GOOD_TOKENS: dict[str, Callable[[KeyServer], str]] = {
    "secret, without iss and aud": lambda _: make_token(OWNER),
    "secret, with iss and aud": lambda auth: make_token(OWNER, iss=auth.url, aud=auth.url),
    "secret, one aud of two": lambda auth: make_token(OWNER, aud=["https://elsewhere.example", auth.url]),
    "secret, with a kid": lambda _: make_token(OWNER, headers={"kid": "whatever"}),
    "secret, no typ": lambda _: make_token(OWNER, headers={"typ": None}),
    "secret, RFC 9068 type": lambda _: make_token(OWNER, headers={"typ": "at+JWT"}),
    "secret, no iat": lambda _: make_token(OWNER, iat=None),
    "key": lambda auth: auth.token(SIGNER, OWNER),
    "key, one aud of two": lambda auth: auth.token(SIGNER, OWNER, aud=["https://elsewhere.example", auth.url]),
    "key, a fraction for exp": lambda auth: auth.token(SIGNER, OWNER, exp=time.time() + 60.5),
    "by secret, this side's clock is 5 s fast": lambda _: by_secret(exp=time.time() - 5),
    "this side's clock is 8 s fast": lambda auth: auth.token(SIGNER, OWNER, exp=time.time() - 8),
    "this side's clock is 8 s slow": lambda auth: auth.token(
        SIGNER, OWNER, iat=time.time() + 8, nbf=time.time() + 8, exp=time.time() + 900
    ),
    "by secret, this side's clock is 8 s slow": lambda _: by_secret(iat=time.time() + 8, nbf=time.time() + 8),
    "with an avatar of 20 KiB": lambda auth: auth.token(SIGNER, OWNER, image="x" * 20_000),
    "with an avatar, by secret": lambda _: by_secret(image="x" * 23_000),
    "typ at+jwt": lambda auth: auth.token(SIGNER, OWNER, headers={"typ": "at+jwt"}),
    "typ application/at+jwt": lambda auth: auth.token(SIGNER, OWNER, headers={"typ": "application/AT+JWT"}),
    "typ application/jwt": lambda auth: auth.token(SIGNER, OWNER, headers={"typ": "Application/jwt"}),
}


@pytest.mark.parametrize("token", GOOD_TOKENS.values(), ids=GOOD_TOKENS)
def test_a_good_token_is_accepted_again_and_again(
    api: httpx.Client, auth: KeyServer, token: Callable[[KeyServer], str]
) -> None:
    sent = bearer(token(auth))
    assert [api.get("/tasks", headers=sent).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("claims", [{"iss": "https://x.example"}, {"aud": "https://x.example"}], ids=["iss", "aud"])
def test_where_no_auth_server_is_named_a_token_may_name_any(database_url: str, claims: dict[str, str]) -> None:
    with serve(settings_for(database_url)) as running:
        sent = bearer(make_token(OWNER, **claims))
        assert httpx.get(f"{running.url}/api/{OWNER}/tasks", headers=sent, timeout=30).status_code == 200


@pytest.mark.parametrize("secret", ["é" * 32, "zażółć gęślą jaźń, 漢字 😀"], ids=["Latin-1", "beyond"])
def test_a_secret_is_its_utf_8_bytes(database_url: str, secret: str) -> None:
    with serve(settings_for(database_url, better_auth_secret=secret)) as running:
        token = make_token(OWNER, key=secret.encode("utf-8"))
        assert httpx.get(f"{running.url}/api/{OWNER}/tasks", headers=bearer(token), timeout=30).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_may_be_written_in_any_case(api: httpx.Client, scheme: str) -> None:
    assert api.get("/tasks", headers={"Authorization": f"{scheme} {make_token(OWNER)}"}).status_code == 200


@pytest.mark.parametrize("user", ["x" * 255, "a b", "ä-ö", "日本語", "1", "a%2e", "0f3d7f3e-4b7e-4cf7-9d53-3f5f0c3ad"])
def test_a_user_id_is_any_text(api: httpx.Client, user: str) -> None:
    url = api.base_url.copy_with(path="/api/" + user.replace("%", "%25") + "/tasks")
    created = api.post(url, json={"title": "x"}, headers=bearer(make_token(user)))
    assert (created.status_code, created.json()["user_id"]) == (201, user)


def test_a_token_is_not_remembered_beyond_its_expiry(api: httpx.Client) -> None:
    """The leeway is over at exp + 10 s, for a token that was accepted before as for any other."""
    token = make_token(OWNER, exp=time.time() - 9)
    assert api.get("/tasks", headers=bearer(token)).status_code == 200
    deadline = time.monotonic() + 10
    while (response := api.get("/tasks", headers=bearer(token))).status_code == 200:
        assert time.monotonic() < deadline, "still accepted"
    assert response.json()["detail"] == "Token has expired"


def test_the_document_says_how_to_get_a_token(api: httpx.Client) -> None:
    schemes = api.get(api.base_url.copy_with(path="/openapi.json")).json()["components"]["securitySchemes"]
    (scheme,) = schemes.values()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert "authClient.token()" in scheme["description"]
    assert "/api/auth/token" in scheme["description"]


@pytest.mark.parametrize("answer", [Answer(b"", 503), Answer(b"", pause=True)], ids=["fails", "hangs"])
def test_without_any_signing_key_yet_the_client_is_asked_to_come_back(database_url: str, answer: Answer) -> None:
    """Neither 401, which would sign everybody out, nor 500; the other key source is not concerned."""
    with key_server() as auth:
        auth.answer = answer
        settings = settings_for(database_url, better_auth_url=auth.url)
        with serve(settings) as running, httpx.Client(base_url=f"{running.url}/api/{OWNER}", timeout=30) as client:
            started = time.monotonic()
            for method, path, body in ROUTES.values():
                response = client.request(method, path, json=body, headers=bearer(auth.token(SIGNER, OWNER)))
                assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
                assert response.headers["Content-Type"] == "application/problem+json"
                assert response.json()["detail"] == "Signing keys are temporarily unavailable"
            assert time.monotonic() - started < 3 + 2  # one of them waited for the fetch, the others did not
            assert auth.fetches == 1
            assert client.get("/tasks", headers=bearer(make_token(OWNER))).status_code == 200
            assert client.get("/tasks", headers=bearer(make_token(OWNER, ttl=-60))).status_code == 401
            assert client.get("/tasks").status_code == 401
