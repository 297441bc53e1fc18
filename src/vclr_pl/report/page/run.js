"use strict";
(() => {
  const body = document.body, alive = body.dataset.alive === "true";
  const every = 1000 * Number(body.dataset.reload), stale = 1000 * Number(body.dataset.stale), written = 1000 * Number(body.dataset.written);
  const byId = (id) => document.getElementById(id);
  const key = `vclr_pl ${location.pathname}`;
  const recall = () => { try { return JSON.parse(sessionStorage.getItem(key)) || {}; } catch { return {}; } };
  const remember = (value) => { try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* storage is switched off: the page starts at its top */ } };
  const ago = (milliseconds) => {
    const seconds = Math.max(0, Math.round(milliseconds / 1000));
    if (seconds < 90) return `${seconds} s`;
    return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
  };

  // ---- where the reader was, across reloads
  const folded = () => [...document.querySelectorAll("details")];
  const focusable = () => [...document.querySelectorAll("a, button, summary, [tabindex]")];
  const places = () => [...document.querySelectorAll(".scroll")];
  const before = recall();
  remember({ paused: before.paused });
  let paused = Boolean(before.paused);
  const reload = () => {
    remember({
      reloaded: true, paused, y: window.scrollY, focus: focusable().indexOf(document.activeElement),
      open: folded().map((element) => element.open), across: places().map((element) => element.scrollLeft),
    });
    location.reload();
  };

  // ---- reloading, while the run writes
  function show() {
    const age = Date.now() - written, fresh = age < stale;
    byId("pause").hidden = !fresh;
    byId("pause").setAttribute("aria-pressed", String(paused));
    byId("written").textContent = fresh
      ? `Written ${ago(age)} ago; ${paused ? "reloading is paused" : `reloads itself every ${ago(every)}`}.`
      : `Not written for ${ago(age)}: the run was killed, or the machine is busy. The page no longer reloads itself.`;
    return fresh;
  }
  if (alive) {
    document.querySelector(".live").hidden = false;
    byId("pause").addEventListener("click", () => { paused = !paused; remember({ paused }); show(); });
    byId("again").addEventListener("click", reload);
    show();
    let next = Date.now() + every;
    const timer = setInterval(() => {
      if (!show()) return clearInterval(timer);
      const busy = document.hidden || !getSelection().isCollapsed;
      if (!paused && !busy && Date.now() >= next) { next = Infinity; reload(); }
      return undefined;
    }, Math.min(1000, every));
  }

  // ---- a curve's value under the pointer
  const number = (value) => (Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(2) : String(Number(value.toPrecision(4))));
  for (const plot of document.querySelectorAll(".plot")) {
    const { first, last, low, high, unit } = Object.fromEntries(Object.entries(plot.dataset).map(([name, text]) => [name, name === "unit" ? text : Number(text)]));
    const field = plot.querySelector(".field"), svg = field.querySelector("svg"), now = plot.closest("figure").querySelector(".now"), rest = now.textContent;
    const curves = [...svg.querySelectorAll("polyline")].map((line) => ({
      name: line.dataset.curve, points: line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)),
    }));
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cross.setAttribute("class", "cross");
    const leave = () => { cross.remove(); now.textContent = rest; now.classList.remove("read"); };
    field.addEventListener("pointermove", (event) => {
      const box = field.getBoundingClientRect(), x = (1000 * (event.clientX - box.left)) / box.width;
      const near = curves.map(({ name, points }) => [name, points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best))]);
      if (!near.length) return;
      const at = near[0][1][0];
      for (const [name, value] of [["x1", at], ["x2", at], ["y1", 0], ["y2", 400]]) cross.setAttribute(name, value);
      svg.append(cross);
      const step = Math.round(first + (at / 1000) * (last - first));
      const texts = near.filter(([, point]) => Math.abs(point[0] - at) < 20)
        .map(([name, point]) => `${curves.length > 1 ? `${name} ` : ""}${number(low + (1 - point[1] / 400) * (high - low))}${unit}`);
      now.textContent = `step ${step.toLocaleString("en")}: ${texts.join(", ")}`;
      now.classList.add("read");
    });
    field.addEventListener("pointerleave", leave);
  }

  // ---- copying a command
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // ---- back to where the reader was, once everything is shown
  if (before.reloaded) {
    folded().forEach((element, index) => { element.open = Boolean(before.open?.[index]); });
    places().forEach((element, index) => { element.scrollLeft = before.across?.[index] ?? 0; });
    focusable()[before.focus]?.focus({ preventScroll: true, focusVisible: true });
    window.scrollTo(0, before.y);
  }
})();
