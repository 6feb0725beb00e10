"use client";

import { type SubmitEvent, useEffect, useRef, useState } from "react";
import { ConflictError, type Tagged, type Task, type Tasks } from "tasks-api-client";
import { useUpdateTask } from "tasks-api-client/react";

interface Props {
  tasks: Tasks;
  id: number;
  close: (done?: string) => void;
}

/** A dialog that saves only over what its user has seen. */
export function TaskEditor({ tasks, id, close }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const update = useUpdateTask(tasks);
  const [seen, setSeen] = useState<Tagged<Task>>();
  const [problem, setProblem] = useState("");

  useEffect(() => {
    dialog.current?.showModal();
    const controller = new AbortController();
    tasks.read(id, { signal: controller.signal }).then(setSeen, (error: Error) => {
      if (!controller.signal.aborted) setProblem(error.message);
    });
    return () => controller.abort();
  }, []); // once: what comes later must not replace what the user has before their eyes

  async function save(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const changes = { title: String(fields.get("title")), description: String(fields.get("description")) || null };
    try {
      await update.mutateAsync({ id, changes, ifMatch: seen?.etag });
      close("Saved.");
    } catch (error) {
      if (error instanceof ConflictError) await showTheirs();
      else setProblem((error as Error).message);
    }
  }

  /** Leaves the draft as it is; the user may save it over what they have been shown now. */
  async function showTheirs() {
    try {
      const theirs = await tasks.read(id);
      setSeen(theirs);
      const words = [theirs.title, theirs.description].filter(Boolean).join(" – ");
      setProblem(`Changed elsewhere meanwhile, to “${words}”. Save once more to replace that.`);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby="editor-title" onClose={() => close()}>
      <h2 id="editor-title">Edit task</h2>
      <p role="alert">{problem}</p>
      <form onSubmit={save}>
        {seen && (
          <>
            <label>
              Title <input name="title" defaultValue={seen.title} maxLength={200} required autoComplete="off" />
            </label>
            <label>
              Description{" "}
              <input name="description" defaultValue={seen.description ?? ""} maxLength={1000} autoComplete="off" />
            </label>
          </>
        )}
        <div className="row">
          <button disabled={!seen || update.isPending}>Save</button>
          <button type="button" className="quiet" onClick={() => close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}
