"""Threads in processes; how many of these, gunicorn reads from WEB_CONCURRENCY itself."""

import os

wsgi_app = "project.wsgi"
bind = f"127.0.0.1:{os.environ['PORT']}"
worker_class = "gthread"
threads = 12
accesslog = "-"
