"""An API and nothing else: no sessions, pages or admin, which would only cost it time."""

import os

import dj_database_url

SECRET_KEY = JWT_SECRET = os.environ["JWT_SECRET"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
INSTALLED_APPS = ["tasks"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]

# Each thread of gunicorn keeps its connection. Health checks, a round trip a request, are off, as by default.
DATABASES = {"default": dj_database_url.config(conn_max_age=None)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
