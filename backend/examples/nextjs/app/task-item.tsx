"use client";

import type { Task, Tasks } from "tasks-api-client";
import { useDeleteTask, useToggleTask } from "tasks-api-client/react";
import type { Report } from "./task-list";

interface Props {
  tasks: Tasks;
  task: Task;
  report: Report;
  edit: (id: number) => void;
}

export function TaskItem({ tasks, task, report, edit }: Props) {
  const toggle = useToggleTask(tasks);
  const remove = useDeleteTask(tasks);
  return (
    <li className="card">
      <label>
        <input type="checkbox" checked={task.completed} onChange={() => void report(toggle.mutateAsync(task))} />
        <span>
          <strong data-part="title">{task.title}</strong> <span>{task.description}</span>
        </span>
      </label>
      <button className="quiet" aria-label={`Edit ${task.title}`} onClick={() => edit(task.id)}>
        Edit
      </button>
      <button
        className="quiet"
        aria-label={`Delete ${task.title}`}
        onClick={() => void report(remove.mutateAsync(task), `Deleted “${task.title}”.`)}
      >
        Delete
      </button>
    </li>
  );
}
