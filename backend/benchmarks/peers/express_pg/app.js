// The six operations, one statement each, with RETURNING.
import express from "express";
import morgan from "morgan";
import { authenticate } from "./auth.js";
import { pool } from "./db.js";
import { changes, listQuery, newTask } from "./validation.js";

const COLUMNS = "id, user_id, title, description, completed, created_at, updated_at";
const ORDER = { created: "created_at, id", title: "lower(title), title, id" };

export const app = express();
// express-generator puts morgan into every new application.
if (process.env.ACCESS_LOG !== "off") app.use(morgan("combined"));
app.use(express.json({ limit: "64kb" }));

const tasks = express.Router({ mergeParams: true });
app.use("/api/:userId/tasks", authenticate, tasks);

const notFound = (res) => res.status(404).json({ detail: "Task not found" });
const sendOne = (res, { rows }) => (rows.length ? res.json(rows[0]) : notFound(res));

tasks.param("id", (req, res, next, id) => (/^[1-9]\d{0,8}$/.test(id) ? next() : notFound(res)));

tasks.get("/", listQuery, async (req, res) => {
  const { completed, sort } = req.list;
  const { rows } = await pool.query(
    `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 AND ($2::boolean IS NULL OR completed = $2) ORDER BY ${ORDER[sort]}`,
    [req.user.sub, completed],
  );
  res.json(rows);
});

tasks.post("/", newTask, async (req, res) => {
  const { rows } = await pool.query(
    `INSERT INTO tasks (user_id, title, description) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
    [req.user.sub, req.task.title, req.task.description],
  );
  res.status(201).location(`/api/${req.user.sub}/tasks/${rows[0].id}`).json(rows[0]);
});

tasks.get("/:id", async (req, res) => {
  sendOne(res, await pool.query(`SELECT ${COLUMNS} FROM tasks WHERE id = $1 AND user_id = $2`, [req.params.id, req.user.sub]));
});

tasks.put("/:id", changes, async (req, res) => {
  const { title, description } = req.task;
  const values = [req.params.id, req.user.sub, title ?? null, description !== undefined, description ?? null];
  sendOne(
    res,
    await pool.query(
      `UPDATE tasks SET title = coalesce($3, title), description = CASE WHEN $4 THEN $5 ELSE description END,
       updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
      values,
    ),
  );
});

tasks.patch("/:id/complete", async (req, res) => {
  sendOne(
    res,
    await pool.query(
      `UPDATE tasks SET completed = NOT completed, updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING ${COLUMNS}`,
      [req.params.id, req.user.sub],
    ),
  );
});

tasks.delete("/:id", async (req, res) => {
  const { rowCount } = await pool.query("DELETE FROM tasks WHERE id = $1 AND user_id = $2", [req.params.id, req.user.sub]);
  return rowCount ? res.status(204).end() : notFound(res);
});
