#!/bin/sh
# What a container of such a service starts: the schema first, then the server.
set -e
python manage.py migrate --no-input
exec gunicorn
