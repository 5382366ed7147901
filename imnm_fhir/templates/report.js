"use strict";
(() => {
  const tools = document.getElementById("tools");
  if (!tools) return;
  const fold = text => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const groups = [...document.querySelectorAll(".group")].map(section => {
    const head = fold([...section.children].filter(each => each.matches("h4, p, ul")).map(each => each.textContent).join(" "));
    const rows = [...section.querySelectorAll("tbody.unit")];
    return { section, head, kind: section.dataset.kind, rows };
  });
  const topics = [...document.querySelectorAll(".topic")];
  const texts = new WeakMap();
  const textOf = (row, head) => {
    if (!texts.has(row)) texts.set(row, head + " " + fold(row.textContent));
    return texts.get(row);
  };
  const all = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const said = tools.querySelector("output");
  const show = () => {
    const words = fold(tools.elements.text.value).split(/\s+/).filter(Boolean);
    const kinds = new Set([...tools.querySelectorAll("[name=kind]:checked")].map(box => box.value));
    const patient = tools.elements.patient.value;
    let shown = 0;
    for (const { section, head, kind, rows } of groups) {
      let some = 0;
      for (const row of rows) {
        const fits = kinds.has(kind) && (!patient || row.dataset.patient === patient)
          && (!words.length || words.every(word => textOf(row, head).includes(word)));
        if (row.hidden === fits) row.hidden = !fits;
        some += fits;
      }
      section.hidden = !some;
      shown += some;
    }
    for (const each of topics) each.hidden = !each.querySelector(".group:not([hidden])");
    said.textContent = said.dataset.text.replace("{count}", shown).replace("{all}", all);
  };
  let waiting;
  tools.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 120); });
  tools.addEventListener("submit", event => { event.preventDefault(); show(); });
  tools.addEventListener("reset", () => setTimeout(show));
  for (const link of document.querySelectorAll("a[data-patient]")) {
    link.addEventListener("click", () => { tools.reset(); tools.elements.patient.value = link.dataset.patient; setTimeout(show); });
  }
  addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details.print")) each.open = true; });
  tools.hidden = false;
  show();
})();
