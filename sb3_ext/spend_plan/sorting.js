// Tables sort by a column when its title is pressed: up, down, and as they were.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const titles = [...table.tHead.rows[0].cells];
  const key = text => {
    const day = text.match(/\d{4}-\d{2}-\d{2}/);
    if (day) return day[0];
    const number = Number.parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text.trim().toLowerCase() : number;
  };
  const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const next = {none: "descending", descending: "ascending", ascending: "none"}[title.ariaSort || "none"];
      for (const other of titles) other.removeAttribute("aria-sort");
      const order = [...rows];
      if (next !== "none") {
        title.setAttribute("aria-sort", next);
        order.sort((a, b) => compare(key(a.cells[column].textContent), key(b.cells[column].textContent)));
        if (next === "descending") order.reverse();
      }
      body.append(...order);
    });
  });
}
