// How an operation is shown: what to fill in and *Execute* together, then the answer; the documented ones are folded.
//
// All of it by Swagger UI's plugins: `wrapComponents` gets the original component, and React from `system`.

import { fillIn, suggest } from "./form.js";
import { becomeDemoUser, hasToken, offersDemo } from "./visitor.js";

const MARGIN = 16; // px that stay free below what is brought into view

export const operationsPlugin = (system) => ({
  wrapComponents: {
    curl: (Original) => folded(system, Original),
    execute: (Original) => execute(system, Original),
    responses: (Original) => responses(system, Original),
    ServersContainer: () => () => null, // there is one: where the page came from
  },
});

/** A task that was just created is the one to read, change or delete next, and so is the last one of a list. */
export function noteTask(system, { status, obj }) {
  const id = status === 201 ? obj?.id : Array.isArray(obj) && obj.at(-1)?.id;
  // Not at once: Swagger UI is about to store the answer.
  if (Number.isInteger(id)) setTimeout(() => (status === 201 ? fillIn : suggest)(system, "task_id", id));
}

/** The request as a command line: at hand, not in the way. */
function folded({ React: { createElement: h } }, Original) {
  const summary = h("summary", null, "The request for curl");
  return (props) => h("details", { className: "as-curl" }, summary, h(Original, props));
}

/** *Execute*, in view as soon as its operation is opened; without a token it says so and sends nothing. */
function execute(system, Original) {
  const { createElement: h, useEffect, useRef, useState } = system.React;
  const MissingToken = missingToken(system);
  return function Execute(props) {
    const place = useRef(null);
    const [asked, setAsked] = useState(false);
    const complete = props.operation.size > 0; // at first Swagger UI has only its head
    const missing = complete && needsToken(system, props.operation) && !hasToken();
    useEffect(() => {
      if (complete) reveal(place.current.closest(".opblock"), place.current);
    }, [complete]);
    useEffect(() => {
      // The button that led to a token is gone, or its dialog will be; what is to be pressed next is this one.
      if (asked && !missing) place.current.querySelector("button").focus();
      setAsked(false);
    }, [missing]);
    const ask = () => setAsked(true);
    const asking = { className: "btn execute opblock-control__btn", onClick: ask };
    return h(
      "div",
      { className: "execute-place", ref: place },
      missing ? h("button", asking, "Execute") : h(Original, props),
      missing && h(MissingToken, { asked, ask }),
    );
  };
}

/** What an operation lacks, said before it is executed, and again, louder, when it is. */
function missingToken(system) {
  const { createElement: h, useState } = system.React;
  const authorize = () => system.authActions.showDefinitions(system.authSelectors.definitionsToAuthorize());
  return function MissingToken({ asked, ask }) {
    const [problem, setProblem] = useState("");
    const become = async () => {
      ask();
      setProblem(await becomeDemoUser());
    };
    const button = (text, onClick) => h("button", { type: "button", onClick }, text);
    const said = asked ? "Nothing was sent: this operation needs a token." : "This operation needs a token.";
    return h(
      "div",
      { className: asked ? "missing-token asked" : "missing-token" },
      h("p", { "aria-live": "polite" }, problem || said),
      offersDemo() && button("Become a demo user", become),
      button("Authorize", authorize),
    );
  };
}

/** Whether an operation has to be authorized: what it says of itself goes before what the document says of all. */
function needsToken(system, operation) {
  return (operation.get("security") ?? system.specSelectors.security()).size > 0;
}

/** The answer, when there is one; everything that could be answered is there to be unfolded. */
function responses(system, Original) {
  const { createElement: h, useEffect, useRef } = system.React;
  return function Responses(props) {
    const place = useRef(null);
    const { tryItOutResponse: answer, ...others } = props;
    const headers = answer?.get("headers"); // new with each answer; the answer itself is a new object in each rendering
    useEffect(() => {
      if (headers) reveal(place.current, place.current);
    }, [headers]);
    const { getComponent, getConfigs, specSelectors, path, method, displayRequestDuration } = props;
    const live = { response: answer, getComponent, getConfigs, specSelectors, path, method, displayRequestDuration };
    return h(
      "div",
      { className: "answers" },
      answer && h("div", { className: "responses-inner answer", ref: place }, h(getComponent("liveResponse"), live)),
      h(
        "details",
        { className: "documented" },
        h("summary", null, "What it can answer: ", props.responses.keySeq().join(", ")),
        h(Original, others),
      ),
    );
  };
}

/** Scroll as little as needed for the end of something to be in view, and never so far that its beginning is not. */
function reveal(first, last) {
  const below = last.getBoundingClientRect().bottom + MARGIN - window.innerHeight;
  const top = Math.min(below, first.getBoundingClientRect().top);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (top > 0) window.scrollBy({ top, behavior: calm ? "instant" : "smooth" });
}
