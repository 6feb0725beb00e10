// The page, put together: Swagger UI on our document, with what `visitor.js` and `operations.js` add to it.

import { noteTask, operationsPlugin } from "./operations.js";
import { canRemember, noteClock, receive, visitorPlugin } from "./visitor.js";

const base = new URL(".", document.baseURI); // where the service is mounted, whatever a proxy put in front

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
  noteClock(response);
  if (!response.ok) {
    const problem = await response.json().catch(() => null); // a proxy's answer may be no JSON
    throw new Error(problem?.detail ?? `The service answers with status ${response.status}.`);
  }
  const spec = withoutHeaderExamples(await response.json());
  return { ...spec, servers: [{ url: base.pathname.replace(/\/$/, "") || "/", description: "This server" }] };
}

async function start() {
  followColorScheme();
  const ui = SwaggerUIBundle({
    spec: await loadDocument(),
    dom_id: "#swagger-ui",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    persistAuthorization: canRemember(),
    tryItOutEnabled: true,
    validatorUrl: null,
    plugins: [visitorPlugin, operationsPlugin],
    responseInterceptor(response) {
      noteTask(ui, response);
      return response;
    },
    onComplete: () => receive(ui, base),
  });
}

start().catch((error) => {
  document.getElementById("message").textContent = `The page could not be built: ${error.message}`;
});
