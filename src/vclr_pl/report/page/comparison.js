"use strict";
(() => {
  // the values of the shown runs at a step: under the pointer, or with the arrow keys
  const number = (value) => (Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(2) : String(Number(value.toPrecision(4))));
  for (const plot of document.querySelectorAll(".plot")) {
    const { first, last, low, high } = Object.fromEntries(Object.entries(plot.dataset).map(([name, text]) => [name, Number(text)]));
    const field = plot.querySelector(".field"), svg = field.querySelector("svg"), read = plot.closest("figure").querySelector(".read");
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cross.setAttribute("class", "cross");
    const curves = new Map();
    for (const line of svg.querySelectorAll("polyline")) {
      const points = line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number));
      curves.set(line.dataset.curve, { line, points: [...(curves.get(line.dataset.curve)?.points ?? []), ...points] });
    }
    const shown = () => [...curves].filter(([, { line }]) => getComputedStyle(line).display !== "none");
    let at = 0;
    const show = (x) => {
      at = Math.min(1000, Math.max(0, x));
      const near = shown().map(([name, { points }]) => [name, points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best))]);
      for (const [name, value] of [["x1", at], ["x2", at], ["y1", 0], ["y2", 400]]) cross.setAttribute(name, value);
      svg.append(cross);
      const lines = near.map(([name, point]) => [low + (1 - point[1] / 400) * (high - low), name, Math.round(first + (point[0] / 1000) * (last - first))])
        .sort((one, other) => other[0] - one[0])
        .map(([value, name, step]) => `${number(value)}${plot.dataset.unit} ${name} (step ${step.toLocaleString("en")})`);
      read.textContent = lines.join("\n");
    };
    const leave = () => { cross.remove(); read.textContent = ""; };
    field.addEventListener("pointermove", (event) => {
      const box = field.getBoundingClientRect();
      show((1000 * (event.clientX - box.left)) / box.width);
    });
    field.addEventListener("pointerleave", leave);
    plot.addEventListener("blur", leave);
    plot.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at - 20, ArrowRight: at + 20, Home: 0, End: 1000 }[event.key];
      if (event.key === "Escape") leave();
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
  }
})();
