"""A Django service with djangorestframework-simplejwt, asked by lines of JSON on stdin.

The argument is SIMPLE_JWT as JSON. A line is {"method", "path", "bearer"?, "body"?}, an answer {"status", "body"}.
"""

import json
import sys
import types

import django
from django.conf import settings

views = types.ModuleType("service_urls")
sys.modules["service_urls"] = views

settings.configure(
    SECRET_KEY="a key of Django's own, which signs no token here",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="service_urls",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    },
    SIMPLE_JWT=json.loads(sys.argv[1]),
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication  # noqa: E402
from rest_framework_simplejwt.views import (  # noqa: E402
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
    TokenVerifyView,
)


class Whoami(APIView):
    def get(self, request):
        return Response({"id": request.user.pk, "name": request.user.username})


class Stateless(APIView):
    authentication_classes = [JWTStatelessUserAuthentication]

    def get(self, request):
        return Response({"id": request.user.id})


views.urlpatterns = [
    path("token", TokenObtainPairView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
    path("token/verify", TokenVerifyView.as_view()),
    path("token/blacklist", TokenBlacklistView.as_view()),
    path("whoami", Whoami.as_view()),
    path("stateless", Stateless.as_view()),
]

call_command("migrate", verbosity=0)
get_user_model().objects.create_user(id=7, username="alice", password="right")

for line in sys.stdin:
    asked = json.loads(line)
    client = APIClient()
    if "bearer" in asked:
        client.credentials(HTTP_AUTHORIZATION="Bearer " + asked["bearer"])
    answer = getattr(client, asked["method"])("/" + asked["path"], asked.get("body"), format="json")
    print(json.dumps({"status": answer.status_code, "body": answer.json()}), flush=True)
