"""Signs tokens with PyJWT: headers and claims in, tokens out, as JSON."""

import json
import sys

import jwt

asked = json.load(sys.stdin)


def sign(token):
    header = dict(token["header"])
    # PyJWT writes a `typ` of its own, unless it is told to leave it out.
    header.setdefault("typ", None)
    return jwt.encode(token["claims"], asked["key"], algorithm=header.pop("alg"), headers=header)


print(json.dumps([[sign(token) for token in tokens] for tokens in asked["tokens"]]))
