/* Files for an import: dropped anywhere on the card, and named once they are chosen. */

for (const form of document.querySelectorAll("[data-bring]")) {
  const input = form.querySelector('input[type="file"]');
  const told = form.querySelector("[data-brought]");
  const tell = () => {
    const size = [...input.files].reduce((sum, file) => sum + file.size, 0);
    told.textContent = input.files.length
      ? `${[...input.files].map((file) => file.name).join(", ")} (${size < 1e6 ? `${Math.ceil(size / 1e3)} KB` : `${(size / 1e6).toFixed(1)} MB`})`
      : "";
  };
  input.addEventListener("change", tell);
  form.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("over");
  });
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    tell();
    input.focus();
  });
  form.addEventListener("submit", () => {
    if (input.files.length) told.textContent = "Bringing the files…";
  });
}
