// The values under the pointer, read from the table behind the figure.
const most = 30;
const tip = document.createElement("output");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
for (const svg of document.querySelectorAll("svg[data-frame]")) {
  const table = svg.closest("figure").querySelector("table");
  const rows = [...table.querySelectorAll("tr[data-x]")];
  if (!rows.length) continue;
  const [left, right, low, high] = svg.dataset.frame.split(" ").map(Number);
  const heads = [...table.querySelectorAll("th")];
  // Of several drawings, each has columns of its own.
  const drawing = [...svg.closest("figure").querySelectorAll("svg")].indexOf(svg);
  const own = (cell, i) => cell.textContent && (heads[i].dataset.drawing ?? drawing) == drawing;
  const cursor = document.createElementNS(svg.namespaceURI, "path");
  cursor.setAttribute("class", "cursor");
  svg.append(cursor);
  const hide = () => { tip.hidden = true; cursor.removeAttribute("d"); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const x = low + (at - left) / (right - left) * (high - low);
    const far = (row) => Math.abs(row.dataset.x - x);
    const near = rows.reduce((best, row) => far(row) < far(best) ? row : best);
    const place = left + (near.dataset.x - low) / (high - low) * (right - left);
    cursor.setAttribute("d", `M${place} 24V210`);
    const shown = [...near.cells].map((cell, i) => own(cell, i) && `${heads[i].textContent}  ${cell.textContent}`).filter(Boolean);
    const more = shown.length - most;
    tip.textContent = (more > 1 ? [...shown.slice(0, most), `… ${more} more in the table`] : shown).join("\n");
    tip.hidden = false;
    const edge = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, edge))}px`;
    const lowest = document.documentElement.clientHeight - tip.offsetHeight - 8;
    tip.style.top = `${Math.max(8, Math.min(event.clientY - tip.offsetHeight - 14, lowest))}px`;
  });
}
// A name in a legend, when it is chosen, shows its lines alone in every figure that has it. A run and an objective of one name are
// two things.
const look = (node) => [...node.classList].filter((name) => /^[cd]\d$/.test(name)).join();
const names = [...document.querySelectorAll(".legend li")].filter((item) => item.firstChild.classList.contains("line"));
const key = (item) => `${item.closest("figure").dataset.of ?? "run"}:${item.firstChild.dataset.key ?? item.textContent}`;
const choose = (chosen) => {
  const on = chosen.getAttribute("aria-pressed") !== "true";
  for (const figure of document.querySelectorAll("figure")) {
    const own = names.filter((item) => figure.contains(item));
    // What is of another kind stays as it was chosen.
    if (own.length && key(own[0]).split(":")[0] !== key(chosen).split(":")[0]) continue;
    const same = own.find((item) => key(item) === key(chosen));
    const shown = on && same ? look(same.firstChild) : "";
    for (const line of figure.querySelectorAll(".line:not(.key), .band")) {
      line.classList.toggle("faint", shown !== "" && look(line) !== shown);
    }
    for (const item of own) item.setAttribute("aria-pressed", on && item === same);
  }
};
for (const item of names) {
  item.setAttribute("role", "button");
  item.setAttribute("aria-pressed", false);
  item.tabIndex = 0;
  item.addEventListener("click", () => choose(item));
  item.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(item);
  });
}
