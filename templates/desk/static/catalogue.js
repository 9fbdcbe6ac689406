/* What JavaScript adds to the catalogue: the panel's figure while verdicts are chosen, and a word about files dropped. */

const figure = document.querySelector("[data-panel-ship]");

/** The panel's share, as catalogue/model.py counts it. */
function count() {
  let ships = 0, skips = 0, reviews = 0;
  for (const review of document.querySelectorAll("[data-review]")) {
    if (!review.querySelector("textarea").value.trim()) continue;
    const verdict = review.querySelector("input:checked")?.value;
    reviews += 1;
    ships += verdict === "ship";
    skips += verdict === "skip";
  }
  const typed = document.getElementById("panel_ship").value.replace("%", "").trim();
  const known = ships + skips;
  const judged = (known > 0 && known === reviews) || (known > 0 && typed === "");
  const strong = document.createElement("strong");
  const share = judged ? Math.floor((200 * ships + known) / (2 * known)) : /^\d{1,3}$/.test(typed) ? Number(typed) : null;
  strong.textContent = share === null ? "not known yet" : `${share}%`;
  figure.replaceChildren(strong, judged ? ` (${ships} of ${known})` : "");
}

if (figure) {
  document.querySelector(".catalogue-tool").addEventListener("input", count);
}

const zone = document.querySelector("[data-drop]");
if (zone) {
  const input = zone.querySelector("input");
  const hint = zone.querySelector(".hint");
  const words = hint.textContent;
  const tell = () => {
    const names = [...input.files].map((file) => file.name);
    hint.textContent = names.length ? names.slice(0, 6).join(", ") + (names.length > 6 ? ` and ${names.length - 6} more` : "") : words;
  };
  input.addEventListener("change", tell);
  for (const kind of ["dragenter", "dragover"]) zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    tell();
  });
}
