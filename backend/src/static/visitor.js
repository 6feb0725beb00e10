// Who the visitor is: the token that Swagger UI holds, how long it lasts, and the demo user.
//
// Swagger UI remembers the token (`persistAuthorization`: in localStorage) and sends it in a header. It is never in a
// URL. What it says is read unverified, since it only fills in fields; the service judges it at each request.

import { fillIn, forgetUser } from "./form.js";

const SCHEME = "bearerAuth";
const DEMO_PATH = "/demo/token";
const MEMORY = "authorized"; // where in localStorage Swagger UI remembers
const FORGOTTEN = "Forgotten: this page has no token now.";
const LOOK_EVERY = 30_000; // ms between looks at the clock: one long timer would be late after a sleep of the machine
const DAY = 86_400_000; // ms

let system; // Swagger UI's own
let base; // where the service is mounted
let ahead = 0; // ms by which the server's clock is ahead of this machine's, which may be wrong by hours
let visitor = null; // what the token in use says: { sub, exp }, or null without a token
let looking;
let asking = false;

const element = (id) => document.getElementById(id);

/** Whether this page may remember things: a frame on another site may not, and then every access throws. */
export function canRemember() {
  try {
    localStorage.setItem("tasks-api", "");
    localStorage.removeItem("tasks-api");
    return true;
  } catch {
    return false;
  }
}

/** Whether Swagger UI has a token to send. */
export const hasToken = () => Boolean(tokenIn(system?.authSelectors.authorized()?.toJS()));

/** Whether the service makes demo users. */
export const offersDemo = () => Boolean(system?.specSelectors.specJson().hasIn(["paths", DEMO_PATH]));

/** Whoever authorizes is the user of the token, and whoever logs out is nobody. */
export const visitorPlugin = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (original) => (payload) => {
          const taken = withoutScheme(payload);
          const result = original(taken);
          enter(tokenIn(taken));
          return result;
        },
        logout: (original) => (names) => {
          const result = original(names);
          leave();
          return result;
        },
      },
    },
  },
});

/** Learn from an answer what time it is for the server, which stamps tokens and judges them. */
export function noteClock(response) {
  ahead = Date.parse(response.headers.get("Date")) - Date.now() || 0; // a proxy may drop the header
}

/** Begin, once Swagger UI has its document: with what was remembered from the last visit. */
export function receive(swaggerUi, mountedAt) {
  system = swaggerUi;
  base = mountedAt;
  element("demo").hidden = !offersDemo();
  element("demo-button").addEventListener("click", () => (visitor ? offerAnother() : becomeDemoUser()));
  element("keep").addEventListener("click", () => backTo(() => say(whoIsThere())));
  element("replace").addEventListener("click", () => backTo(becomeDemoUser));
  element("forget").addEventListener("click", () => backTo(() => logOut(FORGOTTEN)));
  addEventListener("storage", follow);
  const token = tokenIn(system.authSelectors.authorized()?.toJS());
  if (token) enter(token);
}

/** Become a new demo user; returns what went wrong, for people, or nothing. */
export async function becomeDemoUser() {
  if (asking) return "";
  asking = true;
  element("demo-button").setAttribute("aria-busy", "true"); // not `disabled`, which would take the focus away
  try {
    const token = await demoToken();
    const schema = system.specSelectors.specJson().getIn(["components", "securitySchemes", SCHEME]);
    system.authActions.authorizeWithPersistOption({ [SCHEME]: { name: SCHEME, schema, value: token } });
    return "";
  } catch (error) {
    say(error.message);
    return error.message;
  } finally {
    asking = false;
    element("demo-button").removeAttribute("aria-busy");
  }
}

async function demoToken() {
  const response = await fetch(new URL(`.${DEMO_PATH}`, base), { method: "POST" }).catch(() => null);
  const answer = await response?.json().catch(() => null); // a proxy's answer may be no JSON
  if (response) noteClock(response);
  if (response?.ok && answer) return answer.token;
  throw new Error(answer?.detail ?? "The service does not answer; try again in a moment.");
}

function tokenIn(authorizations) {
  const value = authorizations?.[SCHEME]?.value;
  return typeof value === "string" && value.trim() ? value : null;
}

/** The same authorizations, where the token was pasted as a whole header: Swagger UI puts "Bearer" before it itself. */
function withoutScheme(authorizations) {
  const value = tokenIn(authorizations)?.replace(/^\s*bearer\s+/i, "");
  return value === undefined ? authorizations : { ...authorizations, [SCHEME]: { ...authorizations[SCHEME], value } };
}

/** The token in what Swagger UI has stored. */
function tokenOf(memory) {
  try {
    return tokenIn(JSON.parse(memory));
  } catch {
    return null;
  }
}

/** Whether the browser remembers the token of this page; another tab may have taken another one since. */
function isRemembered() {
  if (!system.getConfigs().persistAuthorization) return false;
  return tokenOf(localStorage.getItem(MEMORY)) === tokenIn(system.authSelectors.authorized().toJS());
}

/** What a token says; nothing where it is not a JWT. */
function claimsOf(token) {
  try {
    const part = token.trim().split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const { sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return { sub: typeof sub === "string" ? sub : "", exp: typeof exp === "number" ? exp : null };
  } catch {
    return { sub: "", exp: null };
  }
}

function enter(token) {
  if (!token) return;
  const claims = claimsOf(token);
  if (visitor && visitor.sub !== claims.sub) forgetUser(system);
  visitor = claims;
  fillIn(system, "user_id", visitor.sub);
  say(whoIsThere());
  look();
}

function leave() {
  clearTimeout(looking);
  visitor = null;
  forgetUser(system);
  fillIn(system, "user_id", "");
  say("");
}

/** When another tab forgets, this one does as well. */
function follow({ key, newValue }) {
  if (key !== MEMORY && key !== null) return; // null: all of localStorage was cleared
  if (tokenOf(newValue)) return;
  look(); // forgotten because it has expired, it ends as such
  if (visitor) logOut(FORGOTTEN, false); // the other tab may have taken another token by now, which is to stay
}

/** Ends a token that has expired: from then on it would only be refused. */
function look() {
  clearTimeout(looking);
  if (!visitor?.exp) return;
  const left = visitor.exp * 1000 - (Date.now() + ahead);
  if (left > 0) looking = setTimeout(look, Math.min(left, LOOK_EVERY));
  else {
    const next = offersDemo() ? "Take another demo user, or authorize" : "Authorize";
    logOut(`The token has expired. ${next} again.`, isRemembered());
  }
}

/** Ends the token of this page, and unless told otherwise what the browser remembers too. */
function logOut(text, inBrowser = true) {
  const { logout, logoutWithPersistOption } = system.authActions;
  (inBrowser ? logoutWithPersistOption : logout)([SCHEME]);
  say(text);
}

function whoIsThere() {
  if (!visitor.sub) return "The token names no user, so it will be refused.";
  const until = visitor.exp ? ` until ${inWords(visitor.exp * 1000 - ahead)}` : "";
  const memory = system.getConfigs().persistAuthorization
    ? "This browser remembers you."
    : "This browser lets the page remember nothing: you are forgotten when it is loaded again.";
  return `You are ${visitor.sub}${until}. Open an operation and press Execute. ${memory}`;
}

function inWords(time) {
  const clock = { hour: "2-digit", minute: "2-digit" };
  const style = time - Date.now() < DAY ? clock : { dateStyle: "medium", timeStyle: "short" };
  return new Date(time).toLocaleString([], style);
}

function offerAnother() {
  const present = visitor.sub || "the present token";
  say(`That makes another user, with tasks of their own, and this page forgets ${present}.`);
  element("known").hidden = true;
  element("choice").hidden = false;
  element("keep").focus();
}

/** Do what a button asks for; it may be gone afterwards, so the focus returns to the one it came from. */
async function backTo(action) {
  await action();
  element("demo-button").focus();
}

function say(text) {
  element("message").textContent = text;
  element("demo-hint").hidden = Boolean(text);
  element("known").hidden = !visitor;
  element("choice").hidden = true;
}
