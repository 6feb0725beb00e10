// The page: forms in, tasks out. What a framework would do is done by hand here, in as few lines as possible.
import { ApiError, type Task, type TaskQuery, type Tasks } from "@/tasks-api/client";
import { forgetToken, tasksOf } from "./api";
import { authClient } from "./auth-client";

const $ = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const signInForm = $<HTMLFormElement>("sign-in");
const newForm = $<HTMLFormElement>("new-task");
const editForm = $<HTMLFormElement>("edit-task");
const filters = $<HTMLFormElement>("filters");
const editor = $<HTMLDialogElement>("editor");
const list = $<HTMLUListElement>("tasks");

let tasks: Tasks;

/** Do something and show the tasks as they are afterwards, or why it failed. */
async function act(action: () => Promise<unknown>, done = ""): Promise<boolean> {
  $("error").textContent = "";
  try {
    await action();
    await showTasks(done);
    return true;
  } catch (error) {
    $("error").textContent = error instanceof ApiError ? error.message : "Something went wrong";
    if (!(error instanceof ApiError)) console.error(error);
    return false;
  }
}

let latest = 0;

async function showTasks(done = ""): Promise<void> {
  const mine = ++latest;
  const found = await tasks.list(fieldsOf(filters) as Pick<TaskQuery, "status" | "sort">);
  if (mine !== latest) return; // a newer list is on its way, or here already
  const focused = document.activeElement?.closest<HTMLElement>("li [data-part]")?.dataset.part;
  const row = document.activeElement?.closest("li")?.id;
  list.replaceChildren(...found.map(itemOf));
  // Who works with the keyboard stays where they were.
  if (row && focused) document.getElementById(row)?.querySelector<HTMLElement>(`[data-part=${focused}]`)?.focus();
  $("status").textContent = `${done} ${found.length === 1 ? "1 task" : `${found.length} tasks`}`.trim();
}

function itemOf(task: Task): HTMLLIElement {
  const item = $<HTMLTemplateElement>("task").content.cloneNode(true) as DocumentFragment;
  const part = <E extends HTMLElement>(name: string) => item.querySelector(`[data-part=${name}]`) as E;
  const checkbox = part<HTMLInputElement>("completed");
  part("row").id = `task-${task.id}`;
  checkbox.checked = task.completed;
  part("title").textContent = task.title;
  part("description").textContent = task.description ?? "";
  part("edit").setAttribute("aria-label", `Edit ${task.title}`);
  part("delete").setAttribute("aria-label", `Delete ${task.title}`);
  checkbox.addEventListener("change", async () => {
    const toggled = await act(() => tasks.toggle(task.id));
    if (!toggled) checkbox.checked = task.completed;
  });
  part("edit").addEventListener("click", () => edit(task));
  part("delete").addEventListener("click", () => act(() => tasks.remove(task.id), `Deleted “${task.title}”.`));
  return part<HTMLLIElement>("row");
}

function edit(task: Task): void {
  const { title, description } = editForm.elements as unknown as Record<"title" | "description", HTMLInputElement>;
  title.value = task.title;
  description.value = task.description ?? "";
  editForm.onsubmit = (event) => {
    event.preventDefault();
    editor.close();
    void act(() => tasks.update(task.id, draftOf(editForm)), "Saved.");
  };
  editor.showModal();
}

function fieldsOf(form: HTMLFormElement): Record<string, string> {
  return Object.fromEntries(new FormData(form)) as Record<string, string>;
}

function draftOf(form: HTMLFormElement) {
  const { title = "", description } = fieldsOf(form);
  return { title, description: description || null };
}

/** Show the tasks of whoever is signed in, or the form to sign in with. */
async function start(): Promise<void> {
  const { data } = await authClient.getSession();
  document.body.dataset.signedIn = String(Boolean(data));
  if (!data) return;
  $("who").textContent = data.user.name;
  tasks = tasksOf(data.user.id);
  await act(async () => {});
}

signInForm.addEventListener("submit", async (event: SubmitEvent) => {
  event.preventDefault();
  const { name = "", email = "", password = "" } = fieldsOf(signInForm);
  const signUp = event.submitter?.id === "sign-up";
  const { error } = signUp
    ? await authClient.signUp.email({ name: name || email, email, password })
    : await authClient.signIn.email({ email, password });
  $("error").textContent = error?.message ?? "";
  if (!error) await start();
});

$("sign-out").addEventListener("click", async () => {
  await authClient.signOut();
  forgetToken();
  list.replaceChildren();
  await start();
});

newForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await act(() => tasks.create(draftOf(newForm)), "Added.")) newForm.reset();
});

filters.addEventListener("change", () => act(async () => {}));
$("cancel").addEventListener("click", () => editor.close());

void start();
