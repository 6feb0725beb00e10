"use client";

import { useRouter } from "next/navigation";
import { type SubmitEvent, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { complaintOf } from "@/lib/complaint";

export function SignIn() {
  const router = useRouter();
  const [problem, setProblem] = useState("");
  const busy = useRef(false); // and no `disabled`, which would take the focus from the button

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy.current) return;
    const button = event.nativeEvent.submitter as HTMLButtonElement | null;
    const fields = new FormData(event.currentTarget);
    const field = (name: string) => String(fields.get(name));
    const account = { email: field("email"), password: field("password") };
    busy.current = true;
    const complaint = await complaintOf(
      button?.value === "sign-up"
        ? authClient.signUp.email({ name: field("name") || account.email, ...account })
        : authClient.signIn.email(account),
    );
    busy.current = false;
    setProblem(complaint);
    if (!complaint) router.refresh(); // the page of the same address, now with a session
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
          <button>Sign in</button>
          <button value="sign-up" className="quiet">
            Sign up
          </button>
        </div>
      </form>
    </main>
  );
}
