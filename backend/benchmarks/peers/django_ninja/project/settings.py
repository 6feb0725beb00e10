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

# Each thread of gunicorn keeps its connection. Neon ends idle ones when it goes to sleep; without a check each of them
# would be a 500.
DATABASES = {"default": dj_database_url.config(conn_max_age=None, conn_health_checks=os.environ.get("PING") != "off")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
