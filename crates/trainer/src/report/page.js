// The values under the pointer, read from the table behind the figure.
const tip = document.createElement("output");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
for (const svg of document.querySelectorAll("svg[data-frame]")) {
  const table = svg.closest("figure").querySelector("table");
  const rows = [...table.querySelectorAll("tr[data-x]")];
  if (!rows.length) continue;
  const [left, right, low, high] = svg.dataset.frame.split(" ").map(Number);
  const names = [...table.querySelectorAll("th")].map((cell) => cell.textContent);
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
    tip.textContent = [...near.cells].map((cell, i) => `${names[i]}  ${cell.textContent}`).join("\n");
    tip.hidden = false;
    const edge = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, edge))}px`;
    tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 14)}px`;
  });
}
