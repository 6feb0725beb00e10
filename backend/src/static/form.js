// What the page writes into the forms of all operations at once. `system` is Swagger UI's own.

/** Every operation of the document that has this parameter in its path, as Swagger UI names it: path and method. */
function operationsWith(system, parameter) {
  const paths = Object.entries(system.specSelectors.specJson().toJS().paths);
  return paths.flatMap(([path, operations]) =>
    path.includes(`{${parameter}}`) ? Object.keys(operations).map((method) => [path, method]) : [],
  );
}

/** Put a value into a path parameter wherever there is one. */
export function fillIn(system, name, value) {
  for (const operation of operationsWith(system, name)) {
    system.specActions.changeParam(operation, name, "path", String(value), false);
  }
}

/** The same, but what somebody has written stays. */
export function suggest(system, name, value) {
  for (const operation of operationsWith(system, name)) {
    if (system.specSelectors.parameterWithMeta(operation, name, "path")?.get("value")) continue;
    system.specActions.changeParam(operation, name, "path", String(value), false);
  }
}

/** Empty the forms of what belonged to a user who is no longer there, and take the answers away. */
export function forgetUser(system) {
  fillIn(system, "task_id", "");
  for (const operation of operationsWith(system, "user_id")) {
    system.specActions.clearResponse(...operation);
    system.specActions.clearRequest(...operation);
    system.specActions.clearValidateParams(operation);
  }
}
