/* What JavaScript adds to the readers' pages; all of them work without it. */

/* Offers the browser's time zone beside an empty field for one. */
for (const field of document.querySelectorAll("input[data-offer-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || field.value) continue;
  const offer = document.createElement("button");
  offer.type = "button";
  offer.className = "quiet";
  offer.textContent = `Use ${zone}`;
  offer.addEventListener("click", () => {
    field.value = zone;
    offer.remove();
    field.focus();
  });
  field.after(offer);
}
