// Who is asking, and whether the path is theirs.
import { createSecretKey } from "node:crypto";
import jwt from "jsonwebtoken";

// jsonwebtoken tries a secret given as text as a public key first, which costs half a millisecond each time.
const SECRET = createSecretKey(Buffer.from(process.env.JWT_SECRET));

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
