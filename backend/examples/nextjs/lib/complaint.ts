/** Waits for Better Auth, and returns why it refused, in words for people; nothing when it did not. */
export async function complaintOf(call: Promise<{ error: { message?: string | undefined } | null }>): Promise<string> {
  const unreachable = "The server cannot be reached";
  try {
    const { error } = await call;
    return error ? (error.message ?? unreachable) : "";
  } catch {
    return unreachable; // its client throws what `fetch` throws
  }
}
