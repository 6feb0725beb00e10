"use client";

import type { SubmitEvent } from "react";
import type { Tasks } from "tasks-api-client";
import { useCreateTask } from "tasks-api-client/react";
import type { Report } from "./task-list";

export function NewTask({ tasks, report }: { tasks: Tasks; report: Report }) {
  const create = useCreateTask(tasks);

  async function add(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    const task = { title: String(fields.get("title")), description: String(fields.get("description")) || null };
    if (await report(create.mutateAsync(task), "Added.")) form.reset();
  }

  return (
    <form className="card" onSubmit={add}>
      <label>
        New task <input name="title" maxLength={200} required autoComplete="off" />
      </label>
      <label>
        Description <input name="description" maxLength={1000} autoComplete="off" />
      </label>
      <div className="row">
        <button disabled={create.isPending}>Add</button>
      </div>
    </form>
  );
}
