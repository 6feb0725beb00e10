// JSON schemas: ajv validates by them, fast-json-stringify serialises by them.
const title = { type: "string", minLength: 1, maxLength: 200, pattern: "\\S" };
const description = { type: ["string", "null"], maxLength: 1000 };
const instant = { type: "string", format: "date-time" };

export const task = {
  $id: "task",
  type: "object",
  properties: {
    id: { type: "integer" },
    user_id: { type: "string" },
    title: { type: "string" },
    description: { type: "string", nullable: true },
    completed: { type: "boolean" },
    created_at: instant,
    updated_at: instant,
  },
};

const one = { $ref: "task#" };
const params = {
  type: "object",
  properties: { userId: { type: "string" }, id: { type: "integer", minimum: 1, maximum: 2147483647 } },
};

export const list = {
  querystring: {
    type: "object",
    properties: {
      status: { enum: ["all", "pending", "completed"], default: "all" },
      sort: { enum: ["created", "title"], default: "created" },
    },
  },
  response: { 200: { type: "array", items: one } },
};
export const create = {
  body: { type: "object", required: ["title"], properties: { title, description } },
  response: { 201: one },
};
export const read = { params, response: { 200: one } };
export const update = { ...read, body: { type: "object", properties: { title, description } } };
export const remove = { params };
