export * from "./client.js";
export { ApiError, ConflictError, type Problem } from "./errors.js";
