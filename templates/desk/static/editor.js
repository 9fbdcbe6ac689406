/* The page on which an issue is made: words keep themselves (words.js), comparisons are arranged (arrange.js), what others
   do appears by itself, and nothing typed is lost when the server, the network or the session goes. */

import { arrange } from "./arrange.js";
import { say, send, shortcut } from "./desk.js";
import { element, Field } from "./words.js";

const HERE_EVERY_MS = 5000;
const SLOW_MS = 400;
const AWAY_AFTER_MS = 2500;
const TOLD_AGAIN_MS = 15000;
const CALLED = { subject: "the subject", preheader: "the preheader", intro: "the introduction", comparisons: "the comparisons" };
const EMPTY = {
  subject: "An issue needs a subject",
  preheader: "Without one, inboxes show the first words of the mail",
  intro: "Without one, the mail begins with the lead",
};

const root = document.getElementById("editor");
const { issue, me } = root.dataset;
const editable = root.dataset.state === "draft";
const address = `/desk/issues/${issue}`;
const mine = pageName();
let load = loadName();
const shown = document.getElementById("saved");
const banner = document.getElementById("offline");
const preview = import("./preview.js").catch(() => ({}));
root.classList.add("live");

let version = Number(root.dataset.version);
let catalogue = null;
let arrangement = null;
const asides = new Set();
let last = null;
let away = "";
let pending = 0;
let slow = null;
let retry = null;
let fields = [];
let list = null;

/* What of the page hears from words and comparisons --------------------------------------------------------------- */

const page = {
  me,
  typed(field) {
    describe(field);
    status();
  },
  changed: () => status(),
  saved(now, field) {
    back();
    newer(now);
    field.form.querySelector(".advice").classList.remove("bad");
    const undo = root.querySelector('[data-act="undo"] button');
    if (undo) undo.disabled = false;
  },
  merged(field) {
    const by = last && !last.me && last.field === field.name ? last.by : "Somebody else";
    tell(by, field.name, `${by} changed ${CALLED[field.name]} at the same time: both changes are in it.`);
  },
  failed(error, field) {
    if (error.status === 401 || error.status === 403) gone("ended", error.message);
    else if (!error.status || error.status >= 500 || error.status === 429) gone("offline");
    else if (error.answer.state && error.answer.state !== root.dataset.state) over(error.message);
    else if (field) {
      const advice = field.form.querySelector(".advice");
      advice.textContent = error.message;
      advice.classList.add("bad");
    } else say(`${error.message[0].toUpperCase()}${error.message.slice(1)}`, { bad: true });
    status();
  },
  drop: (aside) => send(`${address}/aside/${aside}`, { what: "drop" }).then(heard, () => {}),
  acted: (answer) => heard(answer, { ours: true }),
  waits(promise) {
    pending += 1;
    status();
    promise.finally(() => {
      pending -= 1;
      status();
    });
  },
  added(kind, form) {
    if (kind === "collect") say("What came in since is in the issue.");
    else if (form.closest("#older")) window.htmx?.trigger(document.getElementById("q"), "search");
  },
  flushed: () => Promise.all(fields.map((field) => field.save())),
  view,
};

/** Gives what this window is called among those who are here: the same after a reload, so that nobody is here twice. */
function pageName() {
  const drawn = crypto.getRandomValues(new Uint32Array(2)).join("-");
  try {
    // A window made from another has its store too, but begins without having come back.
    const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate" || document.referrer.startsWith(location.origin);
    const kept = again && sessionStorage.getItem("digest:page");
    sessionStorage.setItem("digest:page", kept || drawn);
    return kept || drawn;
  } catch {
    return drawn;
  }
}

/** Gives what this window is called until it is left: what it said before may reach the server after that. */
function loadName() {
  return `${mine}.${Date.now().toString(36)}`;
}

/** Takes what the server tells of the issue: by its stream, or as the answer to what was done here. */
function heard(told, { ours = false } = {}) {
  if (told.version === undefined || told.version < version) return;
  if (told.state !== root.dataset.state) {
    over(`Issue ${issue} is ${told.state} now.`);
    return;
  }
  const known = arrangement;
  const [fresh, newCatalogue] = [JSON.stringify([told.comparisons, told.aside.map((one) => one.id)]), told.catalogue];
  const isFirst = arrangement === null;
  last = told.last;
  const by = !last || last.me ? "You, in another window," : last.by;
  // What is being done here is told by the stream before its own answer comes.
  const own = ours || (pending > 0 && last?.me);
  for (const field of fields) {
    const { text, own: isPersons } = told[field.name];
    if (field.hear(text, isPersons, told.version) && isPersons && !own) tell(by, field.name, last?.field === field.name ? `${by} changed ${CALLED[field.name]}.` : `${CALLED[field.name][0].toUpperCase()}${CALLED[field.name].slice(1)} was changed.`);
  }
  for (const [act, can] of [["undo", told.can_undo], ["redo", told.can_redo]]) {
    const button = root.querySelector(`[data-act="${act}"] button`);
    if (button) button.disabled = !can;
  }
  for (const aside of told.aside) {
    if (!isFirst && !asides.has(aside.id) && !aside.me) say(`${aside.by} changed the same words of ${CALLED[aside.field]} as somebody else: what came later is set aside.`);
    asides.add(aside.id);
  }
  arrangement = fresh;
  if (ours) {
    catalogue = newCatalogue;
  } else if ((!isFirst && fresh !== known) || (isFirst && told.version !== version) || (catalogue !== null && newCatalogue !== catalogue)) {
    if (!isFirst && fresh !== known && last?.field === "comparisons" && !own) tell(by, "comparisons", `${by} changed the comparisons.`);
    list?.renew();
  }
  const changed = catalogue !== null && newCatalogue !== catalogue;
  catalogue = newCatalogue;
  newer(told.version, changed);
}

/** There is a newer issue to look at. */
function newer(now, whatever = false) {
  if (now <= version && !whatever) return;
  version = Math.max(now, version);
  root.dataset.version = version;
  preview.then((module) => module.refresh?.(version));
  document.dispatchEvent(new CustomEvent("digest:changed", { detail: { version } }));
}

const toldAt = new Map();

/** Says who changed what, but not with every key they press. */
function tell(by, what, words) {
  const key = `${by} ${what}`;
  if (performance.now() - (toldAt.get(key) ?? -TOLD_AGAIN_MS) >= TOLD_AGAIN_MS) say(words);
  toldAt.set(key, performance.now());
}

/* Saved, or not ---------------------------------------------------------------------------------------------------- */

function status() {
  if (!shown) return;
  const open = pending || fields.some((field) => field.flight || (field.dirty && !field.stuck));
  const waits = fields.find((field) => field.stuck);
  const is = away || (waits ? "conflict" : open ? "saving" : "saved");
  const words = { ended: "Signed out", offline: "Not connected", conflict: waits?.conflict ? "Waits for your choice" : "Not saved", saving: "Saving…", saved: "Saved" };
  clearTimeout(slow);
  const show = () => {
    shown.dataset.is = is;
    shown.firstElementChild.textContent = words[is];
  };
  // What takes a moment only is not worth a flicker.
  if (is === "saving" && shown.dataset.is === "saved") slow = setTimeout(show, SLOW_MS);
  else show();
}

function gone(how, words = "") {
  clearTimeout(retry);
  if (how === "offline") retry = setTimeout(tryAgain, 2000);
  if (away === how) return;
  away = how;
  status();
  if (how === "offline") {
    banner.replaceChildren(element("strong", {}, "Not connected. "), "Go on writing: it is kept in this window, and sent as soon as the server answers again.");
  } else {
    banner.replaceChildren(
      element("strong", {}, "You are signed out here. "),
      "What you typed is kept in this window. ",
      element("a", { href: "/desk/sign-in", target: "_blank", rel: "noopener" }, "Sign in in another tab"),
      ", then ",
      element("a", { href: location.href, onclick: reload }, "load this page again"),
      words.includes("session has ended") ? "." : `: ${words}.`,
    );
  }
  banner.hidden = false;
}

function back() {
  if (away !== "offline") return;
  away = "";
  clearTimeout(retry);
  banner.hidden = true;
  say("Connected again.");
  status();
}

function tryAgain() {
  // Where there is a stream, it says first what the server has: words may have arrived though their answer did not.
  if (stream?.readyState === EventSource.OPEN || !streamed) for (const field of fields) field.save();
  if (away === "offline") retry = setTimeout(tryAgain, 3000);
}

/** The issue is in another state than this page was made for. */
function over(words) {
  root.dataset.over = "true";
  if (!fields.some((field) => field.dirty)) {
    reload();
    return;
  }
  banner.replaceChildren(element("strong", {}, `${words} `), element("a", { href: location.href, onclick: reload }, "Look at it as it is"));
  banner.hidden = false;
}

let leaves = false;

function reload(event) {
  event?.preventDefault();
  leaves = true;
  location.reload();
}

addEventListener("beforeunload", (event) => {
  if (!leaves && fields.some((field) => field.dirty && (away || field.stuck))) event.preventDefault();
});
addEventListener("pagehide", () => {
  for (const field of fields) field.leave();
  if (!away) send(`${address}/here`, { page: load, left: "1" }, { keepalive: true }).catch(() => {});
  stream?.close();
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  load = loadName();
  listen();
});

/* Live ------------------------------------------------------------------------------------------------------------- */

let stream = null;
let streamed = false;
let missing = null;

function listen() {
  stream?.close();
  stream = new EventSource(`${address}/live`);
  stream.addEventListener("issue", (event) => {
    streamed = true;
    clearTimeout(missing);
    missing = null;
    heard(JSON.parse(event.data));
    if (away !== "offline") return;
    // With words to send, they tell whether it is well again.
    if (!fields.some((field) => field.dirty && !field.stuck)) back();
    for (const field of fields) field.save();
    list?.renew();
  });
  stream.addEventListener("here", (event) => present(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    missing ??= setTimeout(() => {
      missing = null;
      if (stream.readyState !== EventSource.OPEN && !away) gone("offline");
    }, AWAY_AFTER_MS);
    // What is no stream, such as the way to the sign-in, is not asked for again by itself.
    if (stream.readyState === EventSource.CLOSED) {
      here();
      setTimeout(listen, AWAY_AFTER_MS);
    }
  });
}

function here() {
  const active = document.activeElement;
  const field = active?.closest(".words")?.dataset.field || (active?.closest("#contents") ? "comparisons" : "");
  send(`${address}/here`, { page: load, field }).catch((error) => {
    if (error.status === 401 || error.status === 403) page.failed(error);
  });
}

function present(all) {
  const others = all.filter((one) => one.page.split(".")[0] !== mine);
  const people = document.getElementById("people");
  const name = (one) => (one.me ? "You, in another window" : one.name);
  people.replaceChildren(
    ...others.map((one) =>
      element(
        "li",
        { className: "person", title: `${name(one)}${CALLED[one.field] ? ` is at ${CALLED[one.field]}` : ""}` },
        element("b", { ariaHidden: "true" }, [...one.name][0].toUpperCase()),
        element("span", {}, name(one), CALLED[one.field] ? element("span", { className: "at-field" }, ` · ${CALLED[one.field].slice(4)}`) : ""),
      ),
    ),
  );
  people.hidden = !others.length;
  for (const field of fields) {
    const at = others.filter((one) => one.field === field.name);
    const typing = field.form.querySelector(".typing");
    typing.hidden = !at.length;
    typing.textContent = at.length ? `${at.map(name).join(" and ")} ${at.length > 1 || at[0].me ? "are" : "is"} here too` : "";
  }
}

/* What a phone shows ----------------------------------------------------------------------------------------------- */

const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const parts = (text) => [...letters.segment(text)].map((one) => one.segment);

function describe({ name, value, form }) {
  const line = root.querySelector(`[data-line="${name}"]`);
  const most = Number(line?.dataset.cut || 0);
  const all = parts(value.trim().replace(/\s+/g, " "));
  if (line) line.textContent = cut(all, most);
  const advice = form.querySelector(".advice");
  const said = `${all.length} character${all.length === 1 ? "" : "s"}`;
  advice.classList.remove("bad");
  if (!all.length) advice.textContent = EMPTY[name];
  else if (!most) advice.textContent = said;
  else if (all.length <= most) advice.textContent = `${said}; a phone shows it whole`;
  else advice.textContent = `${said}; a phone shows about ${most} and cuts “${cut(parts(all.slice(most - 1).join("").trim()), 60)}”`;
}

const cut = (all, most) => (all.length <= most ? all.join("") : `${all.slice(0, most - 1).join("").trimEnd()}…`);

/* Views ------------------------------------------------------------------------------------------------------------ */

function view(name) {
  if (root.dataset.view === name) return;
  root.dataset.view = name;
  for (const link of root.querySelectorAll(".editor-views a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const now = new URL(location.href);
  now.searchParams.set("view", name);
  now.searchParams.delete("done");
  history.replaceState(null, "", now);
}

root.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.matches(".editor-views a")) {
    event.preventDefault();
    view(link.dataset.view);
    if (!matchMedia("(min-width: 64rem)").matches) scrollTo({ top: 0, behavior: "instant" });
    return;
  }
  const to = new URL(link.href);
  const place = to.pathname === location.pathname && to.hash.length > 1 && document.getElementById(decodeURIComponent(to.hash.slice(1)));
  if (!place || !root.contains(place) || to.searchParams.has("q")) return;
  // A link to a place of this page, such as a check's: where it is in another view, that is opened first.
  event.preventDefault();
  const pane = place.closest("#edit, #preview, #checks");
  if (pane && getComputedStyle(pane).display === "none") view(pane.id);
  else if (pane?.closest(".pane-edit") && getComputedStyle(place.closest(".pane-edit")).display === "none") view("edit");
  place.scrollIntoView({ block: "center" });
  const target = place.matches("input, textarea, select, button, a[href]") ? place : place.querySelector("input:not([type=hidden]), textarea, select, button, a[href]");
  target?.focus({ preventScroll: true });
});

/* Letters for the introduction's Markdown --------------------------------------------------------------------------- */

function mark(event) {
  const before = { b: "**", i: "*", k: "[" }[event.key.toLowerCase()];
  if (!before || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  const { selectionStart: from, selectionEnd: to, value } = event.target;
  const words = value.slice(from, to);
  const after = before === "[" ? "](https://)" : before;
  // The one way to write that the browser's own undo knows of.
  document.execCommand("insertText", false, before + words + after);
  if (before !== "[" || !words) event.target.setSelectionRange(from + before.length, from + before.length + words.length);
  else event.target.setSelectionRange(to + 3, to + 3 + "https://".length);
}

/* Beginning -------------------------------------------------------------------------------------------------------- */

shortcut("v", () => view(root.dataset.view === "checks" ? "preview" : "checks"));
if (editable) {
  fields = [...root.querySelectorAll("form.words")].map((form) => new Field(form, issue, page));
  list = arrange(document.getElementById("contents"), issue, page);
  for (const field of fields) {
    field.form.addEventListener("click", async (event) => {
      if (event.target.dataset.act !== "own") return;
      event.preventDefault();
      await field.save();
      const done = send(`${address}/own`, { field: field.name });
      page.waits(done.catch(() => {}));
      done.then((answer) => {
        field.giveBack(answer);
        newer(answer.version);
      }, page.failed);
      field.input.focus();
    });
  }
  document.getElementById("intro").addEventListener("keydown", mark);
  const to = (id) => () => {
    view("edit");
    const place = document.getElementById(id);
    place.focus();
    place.scrollIntoView({ block: "center" });
  };
  shortcut("s", to("subject"));
  shortcut("i", to("intro"));
  shortcut("/", to("q"));
  addEventListener("online", tryAgain);
  document.addEventListener("focusin", () => setTimeout(here));
  setInterval(here, HERE_EVERY_MS);
  here();
  status();
}
listen();
