// The page's own part: Swagger UI on our document, `user_id` and `task_id` filled in, and the demo user.
"use strict";

const SCHEME = "bearerAuth";
const DEMO_PATH = "/demo/token";
const base = new URL(".", document.baseURI); // where the service is mounted, whatever a proxy put in front
let ui;

/** Whether this page may remember things: a frame on another site may not, and then every access throws. */
function canRemember() {
  try {
    localStorage.setItem("tasks-api", "");
    localStorage.removeItem("tasks-api");
    return true;
  } catch {
    return false;
  }
}

/** The claims of a token, unverified: they only fill in a field. Null where it is not a JWT. */
function claimsOf(token) {
  try {
    const part = token.trim().split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
  } catch {
    return null;
  }
}

/** Put a value into a path parameter of every operation that has it. */
function fillIn(name, value) {
  for (const [path, operations] of Object.entries(ui.specSelectors.specJson().toJS().paths)) {
    for (const method of Object.keys(operations)) {
      if (path.includes(`{${name}}`)) ui.specActions.changeParam([path, method], name, "path", String(value), false);
    }
  }
}

function tokenIn(authorizations) {
  const value = authorizations?.[SCHEME]?.value;
  return typeof value === "string" ? value : null;
}

function useToken(token) {
  const user = token && claimsOf(token)?.sub;
  if (user) fillIn("user_id", user);
}

/** Whoever authorizes means the user of the token. */
const fillInUser = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (original) => (payload) => {
          const result = original(payload);
          useToken(tokenIn(payload));
          return result;
        },
      },
    },
  },
});

/** A task that was just created is the one to read, change or delete next. */
function noteCreated(response) {
  if (response.status === 201 && response.obj?.id) setTimeout(() => fillIn("task_id", response.obj.id));
  return response;
}

function say(text) {
  document.getElementById("message").textContent = text;
}

async function becomeDemoUser(button) {
  button.disabled = true;
  try {
    const response = await fetch(new URL(`.${DEMO_PATH}`, base), { method: "POST" });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    const schema = ui.specSelectors.specJson().getIn(["components", "securitySchemes", SCHEME]);
    ui.authActions.authorizeWithPersistOption({ [SCHEME]: { name: SCHEME, schema, value: answer.token } });
    say(`You are ${answer.user_id}. Open an operation below and press Execute.`);
  } catch (error) {
    say(error.message || "That did not work; is the service running?");
  } finally {
    button.disabled = false;
  }
}

/** Use what was remembered from the last visit, unless it is too old to be accepted. */
function recall() {
  const token = tokenIn(ui.authSelectors.authorized()?.toJS());
  if (token && claimsOf(token)?.exp * 1000 < Date.now()) {
    ui.authActions.logoutWithPersistOption([SCHEME]);
    say("The remembered token has expired. Authorize again.");
  } else {
    useToken(token);
  }
}

function followColorScheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}

/** Example values of headers are for reading: filled in, they would be refused (412, 409). */
function withoutHeaderExamples(spec) {
  for (const operation of Object.values(spec.paths).flatMap(Object.values)) {
    for (const parameter of operation.parameters ?? []) if (parameter.in === "header") delete parameter.examples;
  }
  return spec;
}

/** The requests go where the page came from, so that "Execute" works below a prefix that only a proxy knows. */
async function loadDocument() {
  const response = await fetch(new URL("openapi.json", base));
  const spec = withoutHeaderExamples(await response.json());
  return { ...spec, servers: [{ url: base.pathname.replace(/\/$/, "") || "/", description: "This server" }] };
}

async function start() {
  followColorScheme();
  const spec = await loadDocument();
  ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    persistAuthorization: canRemember(),
    tryItOutEnabled: true,
    validatorUrl: null,
    plugins: [fillInUser],
    responseInterceptor: noteCreated,
    onComplete: recall,
  });
  if (spec.paths[DEMO_PATH]) {
    const button = document.getElementById("demo-button");
    button.addEventListener("click", () => becomeDemoUser(button));
    document.getElementById("demo").hidden = false;
  }
}

start().catch((error) => say(`The page could not be built: ${error.message}`));
