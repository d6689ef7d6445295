"use strict";
// Pointing at a node, a token or the matrix picks a node; a click pins it; Escape unpins it.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { node: nodeOf, parent: parentOf, colours, facts } = data;
  const sees = (a, b) => a === b || parentOf[a] === parentOf[b] || parentOf[a] === b || parentOf[b] === a;
  const nodes = [...document.querySelectorAll(".node")];
  const tokens = [...document.querySelectorAll(".token")];
  const byNumber = new Map(nodes.map((element) => [Number(element.dataset.node), element]));
  const length = nodeOf.length;
  const runs = [];
  for (let start = 0, at = 1; at <= length; at++) {
    if (at === length || nodeOf[at] !== nodeOf[start]) {
      runs.push({ node: nodeOf[start], start, size: at - start });
      start = at;
    }
  }

  const canvas = document.getElementById("matrix");
  const scale = Math.max(1, Math.floor(1200 / length));
  const strip = Math.max(2, Math.round((length * scale) / 45));
  canvas.width = canvas.height = length * scale + strip;
  const pen = canvas.getContext("2d");

  function drawMatrix(picked) {
    pen.globalAlpha = 1;
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (const row of runs) {
      const alpha = picked === null || row.node === picked ? 1 : 0.18;
      pen.fillStyle = colours[row.node];
      for (const column of runs) {
        if (sees(row.node, column.node)) {
          pen.globalAlpha = alpha;
          pen.fillRect(strip + column.start * scale, strip + row.start * scale, column.size * scale, row.size * scale);
        }
      }
      pen.globalAlpha = alpha;
      pen.fillRect(0, strip + row.start * scale, strip * 0.8, row.size * scale);
      pen.globalAlpha = picked === null || sees(picked, row.node) ? 1 : 0.18;
      pen.fillRect(strip + row.start * scale, 0, row.size * scale, strip * 0.8);
    }
    pen.globalAlpha = 0.35;
    pen.fillStyle = "#9aa1ac";
    const hair = Math.max(1, scale / 12);
    for (const run of runs.length < 200 ? runs.slice(1) : []) {
      pen.fillRect(strip + run.start * scale, strip, hair, length * scale);
      pen.fillRect(strip, strip + run.start * scale, length * scale, hair);
    }
  }

  const put = (id, text) => { document.getElementById(id).textContent = text; };
  let pinned = null;

  function pick(number, across = null, pair = "") {
    document.body.classList.toggle("picked", number !== null);
    for (const element of [...nodes, ...tokens]) {
      const other = Number(element.dataset.node);
      element.classList.toggle("on", other === number);
      element.classList.toggle("seen", number !== null && sees(number, other));
      element.classList.toggle("across", other === across && across !== number);
    }
    drawMatrix(number);
    document.querySelector("dl").hidden = number === null;
    if (number === null) {
      for (const id of ["which", "words", "triple", "sight", "pair"]) put(id, "");
      put("which", "Point at a node, a token or the matrix. A click pins it; Escape unpins it.");
      return;
    }
    const seen = [...byNumber.keys()].filter((other) => sees(number, other)).sort((a, b) => a - b);
    const count = nodeOf.filter((other) => sees(number, other)).length;
    put("which", `Node ${number}: ${facts[number].what}`);
    put("words", byNumber.get(number).querySelector(".words").textContent);
    put("triple", facts[number].triple);
    put("sight", `nodes ${seen.join(", ")}; ${count} of ${length} tokens`);
    put("pair", pair);
  }

  const show = (number, across, pair) => { if (pinned === null) pick(number, across, pair); };
  const pin = (number) => { pinned = pinned === number ? null : number; pick(number); };

  for (const element of [...nodes, ...tokens]) {
    const number = Number(element.dataset.node);
    element.addEventListener("pointerenter", () => show(number));
    element.addEventListener("pointerleave", () => show(null));
    element.addEventListener("focus", () => show(number));
    element.addEventListener("blur", () => show(null));
    element.addEventListener("click", () => pin(number));
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const unit = canvas.width / box.width;
    const place = (offset) => Math.floor((offset * unit - strip) / scale);
    const [row, column] = [place(event.clientY - box.top), place(event.clientX - box.left)];
    return [row, column].every((at) => at >= 0 && at < length) ? [row, column] : null;
  }
  canvas.addEventListener("pointermove", (event) => {
    const found = under(event);
    if (found === null) { show(null); return; }
    const [row, column] = found;
    const verb = sees(nodeOf[row], nodeOf[column]) ? "sees" : "does not see";
    const words = (at) => `“${tokens[at].textContent}” (token ${at}, node ${nodeOf[at]})`;
    show(nodeOf[row], nodeOf[column], `${words(row)} ${verb} ${words(column)}`);
  });
  canvas.addEventListener("pointerleave", () => show(null));
  canvas.addEventListener("click", (event) => { const found = under(event); if (found) pin(nodeOf[found[0]]); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { pinned = null; pick(null); } });

  const asked = Number(location.hash.slice(1));
  pick(null);
  if (location.hash && byNumber.has(asked)) pin(asked);
})();
