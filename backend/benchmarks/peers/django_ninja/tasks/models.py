"""A task as it is stored."""

from django.db import models


class Task(models.Model):
    user_id = models.CharField(max_length=255)
    title = models.CharField(max_length=200)
    description = models.CharField(max_length=1000, null=True)
    completed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "tasks"
        indexes = [models.Index(fields=["user_id", "created_at", "id"], name="tasks_by_created")]
