"""Who is asking, and whether the path is theirs."""

import jwt
from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer


class BearerAuth(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> str | None:
        try:
            claims = jwt.decode(token, settings.JWT_SECRET, algorithms=["HS256"])
        except jwt.PyJWTError:
            return None
        if claims["sub"] != request.resolver_match.kwargs["user_id"]:
            raise HttpError(403, "User_id mismatch")
        return claims["sub"]
