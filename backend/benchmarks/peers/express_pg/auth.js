// Who is asking, and whether the path is theirs: every token is verified for every request.
import { createSecretKey } from "node:crypto";
import jwt from "jsonwebtoken";

// As in jsonwebtoken's README the secret is text, which it tries to read as a public key each time. JWT_KEY=once spares
// it that, to show what it costs; few services do so.
const { JWT_SECRET, JWT_KEY } = process.env;
const SECRET = JWT_KEY === "once" ? createSecretKey(Buffer.from(JWT_SECRET)) : JWT_SECRET;

export function authenticate(req, res, next) {
  const [scheme, token] = (req.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer" || !token) return res.status(401).json({ detail: "Not authenticated" });
  try {
    req.user = jwt.verify(token, SECRET, { algorithms: ["HS256"] });
  } catch {
    return res.status(401).json({ detail: "Invalid token" });
  }
  if (req.user.sub !== req.params.userId) return res.status(403).json({ detail: "User_id mismatch" });
  next();
}
