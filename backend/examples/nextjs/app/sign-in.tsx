"use client";

import { useRouter } from "next/navigation";
import { type SubmitEvent, useState } from "react";
import { authClient } from "@/lib/auth-client";

export function SignIn() {
  const router = useRouter();
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const button = event.nativeEvent.submitter as HTMLButtonElement | null;
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name));
    const account = { email: field("email"), password: field("password") };
    setBusy(true);
    const { error } =
      button?.value === "sign-up"
        ? await authClient.signUp.email({ name: field("name") || account.email, ...account })
        : await authClient.signIn.email(account);
    setBusy(false);
    setProblem(error ? (error.message ?? "The server cannot be reached") : "");
    if (!error) router.refresh(); // the page of the same address, now with a session
  }

  return (
    <main className="narrow">
      <h1>Tasks</h1>
      <p className="lead">Sign in to see your tasks, or sign up: an address and a password are enough.</p>
      <form className="card" onSubmit={submit}>
        <label>
          Name <input name="name" autoComplete="name" placeholder="Only to sign up" />
        </label>
        <label>
          E-mail <input name="email" type="email" autoComplete="email" required />
        </label>
        <label>
          Password <input name="password" type="password" autoComplete="current-password" minLength={8} required />
        </label>
        <p role="alert">{problem}</p>
        <div className="row">
          <button disabled={busy}>Sign in</button>
          <button disabled={busy} value="sign-up" className="quiet">
            Sign up
          </button>
        </div>
      </form>
    </main>
  );
}
