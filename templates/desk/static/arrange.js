/* The comparisons of an issue: moved by dragging, by keyboard or by buttons; shown in full, in brief, as a link, or not. */

import { say, send, shortcut } from "./desk.js";

const DRAG_FROM_PX = 4;
const EDGE_PX = 80;
const FORMS = { 1: "full", 2: "brief", 3: "link", 0: "out" };

/** Looks after the comparisons in `place`; `page` is told what becomes of them. Gives what fetches them anew. */
export function arrange(place, issue, page) {
  const address = `/desk/issues/${issue}`;
  const spoken = document.getElementById("spoken");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let queue = Promise.resolve();
  let waiting = 0;
  let picked = null;
  let dragged = null;
  let stale = false;
  let fetching = 0;
  let current = "";

  const rows = () => [...place.querySelectorAll(".placing")];
  const at = (row) => rows().indexOf(row);
  const busy = () => waiting || picked || dragged;
  const where = (row) => `${row.dataset.name}, ${at(row) + 1} of ${rows().length}`;
  const speak = (words) => {
    spoken.textContent = words;
  };

  /** Does one thing after the other, so that what is pressed fast arrives in its order. */
  function act(to, fields) {
    waiting += 1;
    const done = queue.then(async () => {
      let answer = null;
      try {
        answer = await send(to, fields);
        page.acted(answer);
      } catch (error) {
        page.failed(error);
      }
      waiting -= 1;
      await renew();
      return answer;
    });
    queue = done;
    page.waits(done);
    return done;
  }

  /** Fetches the comparisons anew, once nothing is in hand; what had the focus keeps it. */
  async function renew() {
    stale = true;
    if (busy()) return;
    stale = false;
    fetching += 1;
    const mine = fetching;
    let html;
    try {
      const answer = await fetch(`${address}/contents`, { headers: { "HX-Request": "true" } });
      if (!answer.ok) throw new Error(String(answer.status));
      html = await answer.text();
    } catch {
      stale = true;
      return;
    }
    if (mine !== fetching) return;
    if (busy()) {
      stale = true;
      return;
    }
    const focus = remembered();
    const opened = [...place.querySelectorAll("details[id][open]")].map((one) => one.id);
    place.innerHTML = html;
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    focus();
  }

  /** Gives what brings the focus back: to the same button of the same comparison, or to its neighbour's. */
  function remembered() {
    const active = document.activeElement;
    if (!place.contains(active)) return () => {};
    if (active.matches("summary")) return () => document.querySelector(`#${active.parentElement.id} > summary`)?.focus({ preventScroll: true });
    const row = active.closest(".placing");
    // What was put in is where it stands now.
    const slug = row?.dataset.slug || active.form?.elements.comparison?.value;
    const index = row ? at(row) : 0;
    const steps = active.closest(".steps");
    const kind = active.closest(".forms") ? `.forms [value="${active.value}"]` : steps ? `.steps button:nth-of-type(${[...steps.querySelectorAll("button")].indexOf(active) + 1})` : ".grip";
    return () => {
      const same = slug && place.querySelector(`.placing[data-slug="${CSS.escape(slug)}"]`);
      const found = same || rows()[Math.min(index, rows().length - 1)];
      const button = same && found.querySelector(kind);
      (button && !button.disabled ? button : found?.querySelector(".grip"))?.focus({ preventScroll: true });
    };
  }

  /* Order -------------------------------------------------------------------------------------------------------- */

  /** Puts a row at a place on the page; the server is not told. */
  function put(row, to) {
    const before = tops();
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    const others = rows().filter((other) => other !== row);
    row.parentElement.insertBefore(row, others[to] || null);
    focused?.focus({ preventScroll: true });
    glide(before);
    row.scrollIntoView({ block: "nearest" });
    renumber();
  }

  const tops = () => new Map(rows().map((row) => [row, row.offsetTop]));

  function glide(before, but = null) {
    if (calm.matches) return;
    for (const [row, top] of before) {
      const by = top - row.offsetTop;
      if (by && row !== but) row.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 140, easing: "ease-out" });
    }
  }

  function renumber() {
    rows().forEach((row, index, all) => {
      row.querySelector(".number").textContent = index + 1;
      row.querySelector(".grip").setAttribute("aria-label", `Move ${row.dataset.name}, ${index + 1} of ${all.length}`);
    });
  }

  function move(row, to, { kept = true } = {}) {
    const aim = Math.max(0, Math.min(rows().length - 1, to));
    if (aim === at(row)) {
      speak(`It is ${aim ? "last" : "first"} already.`);
      return;
    }
    put(row, aim);
    speak(where(row));
    if (kept) act(`${address}/order`, { comparison: row.dataset.slug, to: aim });
  }

  function pick(row) {
    picked = { row, from: at(row) };
    row.classList.add("picked");
    row.querySelector(".grip").setAttribute("aria-pressed", "true");
    speak(`Picked up: ${where(row)}. Up and down move it, Space puts it down, Escape takes it back.`);
  }

  function drop({ back = false } = {}) {
    const { row, from } = picked;
    picked = null;
    row.classList.remove("picked");
    row.querySelector(".grip").removeAttribute("aria-pressed");
    if (back) put(row, from);
    const to = at(row);
    speak(`${back ? "Taken back" : "Put down"}: ${where(row)}.`);
    settled(row, from, to);
  }

  function settled(row, from, to) {
    if (to !== from) act(`${address}/order`, { comparison: row.dataset.slug, to });
    else if (stale) renew();
  }

  place.addEventListener("keydown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || dragged || event.ctrlKey || event.metaKey) return;
    const row = grip.closest(".placing");
    const held = picked?.row === row;
    const to = { ArrowUp: at(row) - 1, ArrowDown: at(row) + 1, Home: 0, End: rows().length - 1 }[event.key];
    if (event.key === " " || event.key === "Enter") {
      if (held) drop();
      else pick(row);
    } else if (event.key === "Escape" && held) drop({ back: true });
    else if (to === undefined) return;
    else if (held) move(row, to, { kept: false });
    else if (event.altKey) move(row, to);
    else focusRow(to);
    event.preventDefault();
    event.stopPropagation();
  });

  // Firefox presses a button when the key comes up.
  place.addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.closest(".grip")) event.preventDefault();
  });

  // A screen reader presses without a key, and without a pointer.
  place.addEventListener("click", (event) => {
    const row = event.target.closest(".grip")?.closest(".placing");
    if (!row || event.detail !== 0) return;
    if (picked?.row === row) drop();
    else pick(row);
  });

  // Who goes elsewhere with a comparison in hand puts it down where it is.
  place.addEventListener("focusout", () => {
    setTimeout(() => {
      if (picked && !picked.row.contains(document.activeElement)) drop();
    });
  });

  place.addEventListener("focusin", (event) => {
    current = event.target.closest(".placing")?.dataset.slug || current;
  });

  /* Dragging: the one in hand stays where it is in the page, or it would lose its pointer; the others go round it. -- */

  place.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0 || picked || dragged) return;
    const row = grip.closest(".placing");
    dragged = { row, id: event.pointerId, from: at(row), top: row.offsetTop, scroll: scrollY, y: event.clientY, now: event.clientY, goes: false };
    grip.setPointerCapture(event.pointerId);
  });

  place.addEventListener("pointermove", (event) => {
    if (event.pointerId !== dragged?.id) return;
    dragged.now = event.clientY;
    if (!dragged.goes) {
      if (Math.abs(dragged.now - dragged.y) < DRAG_FROM_PX) return;
      dragged.goes = true;
      dragged.row.classList.add("dragged");
      requestAnimationFrame(scroll);
    }
    follow();
  });

  function follow() {
    const { row, top, y, now, scroll: from } = dragged;
    const wanted = top + now - y + scrollY - from;
    for (;;) {
      const [above, below] = [row.previousElementSibling, row.nextElementSibling];
      const before = tops();
      if (above && wanted < above.offsetTop + above.offsetHeight / 2) row.after(above);
      else if (below && wanted + row.offsetHeight > below.offsetTop + below.offsetHeight / 2) row.before(below);
      else break;
      glide(before, row);
      renumber();
    }
    row.style.transform = `translateY(${wanted - row.offsetTop}px)`;
  }

  function scroll() {
    if (!dragged?.goes) return;
    const over = Math.min(0, dragged.now - EDGE_PX) + Math.max(0, dragged.now - innerHeight + EDGE_PX);
    if (over) {
      scrollBy({ top: over / 6, behavior: "instant" });
      follow();
    }
    requestAnimationFrame(scroll);
  }

  function letGo({ back = false } = {}) {
    const { row, from, goes } = dragged;
    const shift = row.style.transform || "none";
    dragged = null;
    row.classList.remove("dragged");
    row.style.transform = "";
    if (!goes) return;
    if (!calm.matches) row.animate([{ transform: shift }, { transform: "none" }], { duration: 140, easing: "ease-out" });
    if (back) put(row, from);
    const to = at(row);
    speak(where(row));
    settled(row, from, to);
  }

  place.addEventListener("pointerup", (event) => event.pointerId === dragged?.id && letGo());
  place.addEventListener("pointercancel", (event) => event.pointerId === dragged?.id && letGo({ back: true }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && dragged) letGo({ back: true });
  });

  /* Buttons ------------------------------------------------------------------------------------------------------ */

  document.getElementById("editor").addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    const kind = form.dataset.act;
    const row = form.closest(".placing");
    if (kind === "order" && row) move(row, Number(fields.to));
    else if (kind === "form" && row) show(row, fields.form);
    else if (kind === "undo" || kind === "redo") takeBack(kind);
    else act(form.getAttribute("action"), fields).then((answer) => answer && page.added(kind, form));
  });

  /** Shows a comparison in another form, or leaves it out. */
  async function show(row, form) {
    if (row.dataset.form === form) return;
    row.dataset.form = form;
    for (const button of row.querySelectorAll(".forms button")) button.setAttribute("aria-pressed", String(button.value === form));
    const name = row.dataset.name;
    const answer = await act(`${address}/form`, { comparison: row.dataset.slug, form });
    if (!answer) return;
    if (form === "out") say(`${name} is left out. Undo brings it back.`);
    else speak(`${name}: ${form}`);
  }

  async function takeBack(kind) {
    await page.flushed();
    const answer = await act(`${address}/${kind}`, {});
    if (answer) speak(kind === "undo" ? "Undone" : "Done again");
  }

  function focusRow(index) {
    const row = rows()[Math.max(0, Math.min(rows().length - 1, index))];
    row?.querySelector(".grip").focus();
    row?.scrollIntoView({ block: "nearest" });
  }

  const here = () => rows().findIndex((row) => row.dataset.slug === current);
  const walk = (by) => () => {
    page.view("edit");
    focusRow(here() < 0 ? (by > 0 ? 0 : rows().length - 1) : here() + by);
  };
  shortcut("j", walk(1));
  shortcut("k", walk(-1));
  for (const [key, form] of Object.entries(FORMS)) {
    shortcut(key, () => {
      const row = rows()[here()];
      if (row && !row.querySelector(`.forms [value="${form}"]`)?.disabled) show(row, form);
    });
  }
  shortcut("u", () => takeBack("undo"));
  shortcut("U", () => takeBack("redo"));

  return { renew, act };
}
