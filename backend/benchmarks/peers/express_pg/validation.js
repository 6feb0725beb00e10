// What a body may hold. Sets req.task, or answers 422.
const invalid = (res, detail) => res.status(422).json({ detail });

function titleError(title) {
  if (typeof title !== "string") return "title must be a string";
  const length = title.trim().length;
  return length < 1 || length > 200 ? "title must have 1 to 200 characters" : null;
}

function descriptionError(description) {
  if (description === undefined || description === null) return null;
  if (typeof description !== "string") return "description must be a string";
  return description.length > 1000 ? "description must have at most 1000 characters" : null;
}

export function newTask(req, res, next) {
  const { title, description = null } = req.body ?? {};
  const error = titleError(title) ?? descriptionError(description);
  if (error) return invalid(res, error);
  req.task = { title: title.trim(), description };
  next();
}

export function changes(req, res, next) {
  const { title, description } = req.body ?? {};
  const error = (title === undefined ? null : titleError(title)) ?? descriptionError(description);
  if (error) return invalid(res, error);
  req.task = { title: title?.trim(), description };
  next();
}

export function listQuery(req, res, next) {
  const { status = "all", sort = "created" } = req.query;
  if (!["all", "pending", "completed"].includes(status)) return invalid(res, "unknown status");
  if (!["created", "title"].includes(sort)) return invalid(res, "unknown sort");
  req.list = { completed: { all: null, pending: false, completed: true }[status], sort };
  next();
}
