"use client";

import { type SubmitEvent, useEffect, useRef, useState } from "react";
import { ConflictError, type Tagged, type Task, type TaskChanges, type Tasks } from "tasks-api-client";
import { useUpdateTask } from "tasks-api-client/react";

/** What its user has changed: an input of one line takes the line breaks out of a title that it only shows. */
type Draft = { title?: string; description?: string };

interface Props {
  tasks: Tasks;
  id: number;
  close: (done: string) => void;
}

/** A dialog that saves only over what its user has seen. */
export function TaskEditor({ tasks, id, close }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const update = useUpdateTask(tasks);
  const [seen, setSeen] = useState<Tagged<Task>>();
  const [draft, setDraft] = useState<Draft>({});
  const [problem, setProblem] = useState("");
  const saving = useRef(false); // at once, where `isPending` comes with the next rendering

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
    if (saving.current) return;
    saving.current = true;
    try {
      await update.mutateAsync({ id, changes: changesIn(draft), ifMatch: seen?.etag });
      dialog.current?.close("Saved.");
    } catch (error) {
      if (error instanceof ConflictError) await showTheirs();
      else setProblem((error as Error).message);
    }
    saving.current = false;
  }

  /** Leaves the draft as it is, and shows theirs where its user has changed nothing; now it may be saved over that. */
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
    <dialog ref={dialog} aria-labelledby="editor-title" onClose={(event) => close(event.currentTarget.returnValue)}>
      <h2 id="editor-title">Edit task</h2>
      <p role="alert">{problem}</p>
      <form onSubmit={save}>
        {seen && (
          <>
            <label>
              Title{" "}
              <input
                value={draft.title ?? seen.title}
                onChange={(event) => setDraft({ ...draft, title: event.target.value })}
                required
                autoComplete="off"
                autoFocus
              />
            </label>
            <label>
              Description{" "}
              <textarea
                value={draft.description ?? seen.description ?? ""}
                onChange={(event) => setDraft({ ...draft, description: event.target.value })}
                rows={3}
                autoComplete="off"
              />
            </label>
          </>
        )}
        <div className="row">
          <button disabled={!seen} aria-busy={update.isPending}>
            Save
          </button>
          <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

const changesIn = ({ description, ...title }: Draft): TaskChanges =>
  description === undefined ? title : { ...title, description: description || null };
