"""Asks a service that uses jwtauth, with authlib and requests. Prints what came of it, as JSON."""

import json
import sys
import urllib.parse

import requests
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

asked = json.loads(sys.argv[1])
url, pair = asked["url"], (asked["name"], asked["secret"])
tokens = requests.post(f"{url}/obtain", json={"username": "alice", "password": "right"}, timeout=10).json()


class Introspection(IntrospectTokenValidator):
    """As the documentation of authlib has it, without the hint that would help."""

    def introspect_token(self, token_string):
        answer = requests.post(f"{url}/oauth/introspect", data={"token": token_string}, auth=pair, timeout=10)
        answer.raise_for_status()
        return answer.json()


class Offline(JWTBearerTokenValidator):
    def get_jwks(self):
        return requests.get(f"{url}/.well-known/jwks.json", timeout=10).json()


def passes(validator, token):
    try:
        found = validator.authenticate_token(token)
        validator.validate_token(found, [], None)
        return True
    except Exception as error:  # each has its own
        print(f"{type(validator).__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        return False


introspection = Introspection()
offline = Offline(issuer="jwtauth", resource_server="jwtauth")
ask = f"{url}/oauth/introspect"
body = {"token": tokens["access"]}
encoded = tuple(urllib.parse.quote_plus(part) for part in pair)
wrong = requests.post(ask, data=body, auth=("billing", "wrong"), timeout=10)
print(json.dumps({
    "introspected": {
        "access": passes(introspection, tokens["access"]),
        "refresh": passes(introspection, tokens["refresh"]),
        "garbage": passes(introspection, "garbage"),
    },
    "offline": {"access": passes(offline, tokens["access"]), "refresh": passes(offline, tokens["refresh"])},
    "raw": requests.post(ask, data=body, auth=pair, timeout=10).status_code,
    "encoded": requests.post(ask, data=body, auth=encoded, timeout=10).status_code,
    "wrong": [wrong.status_code, wrong.json()["error"]],
}))
