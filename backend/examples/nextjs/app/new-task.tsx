"use client";

import { type SubmitEvent, useRef } from "react";
import type { NewTask as Draft, Tasks } from "tasks-api-client";
import { useCreateTask } from "tasks-api-client/react";
import type { Report } from "./task-list";

export function NewTask({ tasks, report }: { tasks: Tasks; report: Report }) {
  const create = useCreateTask(tasks);
  const adding = useRef(false); // at once, where `isPending` comes with the next rendering

  async function add(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    if (adding.current) return;
    adding.current = true;
    const task = draftIn(form);
    const added = await report(create.mutateAsync(task), "Added.").finally(() => (adding.current = false));
    if (added && same(draftIn(form), task)) form.reset(); // else its user has written on meanwhile
  }

  return (
    <form className="card" onSubmit={add}>
      <label>
        New task <input name="title" required autoComplete="off" />
      </label>
      <label>
        Description <textarea name="description" rows={2} autoComplete="off" />
      </label>
      <div className="row">
        <button aria-busy={create.isPending}>Add</button>
      </div>
    </form>
  );
}

function draftIn(form: HTMLFormElement): Draft {
  const fields = new FormData(form);
  return { title: String(fields.get("title")), description: String(fields.get("description")) || null };
}

const same = (one: Draft, other: Draft) => one.title === other.title && one.description === other.description;
