/* Parts of a page that the server writes and a script renews, while somebody may be typing in them. */

/** Asks the server for a part of a page. Throws an Error with what the server said. */
export async function part(address, { method = "GET", fields } = {}) {
  const headers = { "HX-Request": "true", "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content };
  let answer;
  try {
    answer = await fetch(address, { method, headers, body: fields && new URLSearchParams(fields) });
  } catch {
    throw Object.assign(new Error("The server does not answer."), { status: 0 });
  }
  const text = await answer.text();
  if (!answer.ok) throw Object.assign(new Error(text.slice(0, 300) || `It did not work (${answer.status}).`), { status: answer.status });
  return text;
}

const shown = new WeakMap();

/** Puts a part in the place of what is there: what was typed in it, opened, and focused stays so. */
export function renew(place, html) {
  if (shown.get(place) === html) return false;
  const typed = new Map();
  for (const field of place.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    const isBox = field.type === "radio" || field.type === "checkbox";
    typed.set(`${field.name} ${isBox ? field.value : ""}`, isBox ? field.checked : field.value);
  }
  const opened = new Map([...place.querySelectorAll("details[data-keep]")].map((one) => [one.dataset.keep, one.open]));
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const [id, from, to] = focused ? [focused.id, focused.selectionStart, focused.selectionEnd] : [];
  const inner = document.createElement("template");
  inner.innerHTML = html;
  place.replaceChildren(inner.content);
  for (const field of place.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    const isBox = field.type === "radio" || field.type === "checkbox";
    const was = typed.get(`${field.name} ${isBox ? field.value : ""}`);
    if (was === undefined) continue;
    if (isBox) field.checked = was;
    else field.value = was;
  }
  for (const one of place.querySelectorAll("details[data-keep]")) if (opened.has(one.dataset.keep)) one.open = opened.get(one.dataset.keep);
  if (id) {
    const again = document.getElementById(id);
    again?.focus({ preventScroll: true });
    if (typeof from === "number" && again?.setSelectionRange && again.type !== "date") again.setSelectionRange(from, to);
  }
  shown.set(place, html);
  place.removeAttribute("aria-busy");
  return true;
}
