"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { videos, rows, classes, judged, pairs, points, recall, confusion } = data;
  const byId = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const picture = (key) => {
    const element = key && byId(key);
    return element ? `data:image/webp;base64,${element.textContent}` : null;
  };
  // outline of the part of a frame that the encoder receives; its sides are in percent
  const outline = (crop) => {
    if (!crop || (crop.width >= 100 && crop.height >= 100)) return [];
    const element = make("span", { class: "crop" });
    for (const [side, percent] of Object.entries(crop)) element.style[side] = `${percent}%`;
    return [element];
  };
  const queryOf = (row) => videos[row.query];
  const nearestOf = (row) => (row.neighbors.length ? videos[row.neighbors[0].video] : null);
  const isRight = (row) => nearestOf(row) !== null && nearestOf(row).class_number === queryOf(row).class_number;
  const parts = videos.some((video) => video.part);
  const className = (index) => (index < 0 ? "" : classes[index]);
  const chosen = { class: "", mistake: "", sort: "list", search: "", cell: null };

  // ---- a video: a strip that plays
  function film(index, { whole, label }) {
    const video = videos[index];
    const still = picture(video.strip);
    const width = Math.max(1, video.width || 4), height = Math.max(1, video.height || 3);
    const button = make("button", { class: whole ? "film frames" : "film still", type: "button", "aria-label": label });
    if (!still) {
      button.className = "film";
      button.style.aspectRatio = `${width} / ${height}`;
      button.append(make("span", { class: "gone", text: "no picture" }));
      button.disabled = true;
      return button;
    }
    const image = make("img", { alt: "", decoding: "async" });
    image.style.aspectRatio = `${width} / ${height}`;
    const frames = Array.from({ length: whole ? video.frames : 0 }, (_, place) => {
      const frame = make("i");
      frame.style.aspectRatio = image.style.aspectRatio;
      frame.style.backgroundImage = `url(${still})`;
      frame.style.backgroundSize = `${100 * video.frames}% 100%`;
      frame.style.backgroundPosition = `${video.frames > 1 ? (100 * place) / (video.frames - 1) : 0}% 0`;
      frame.append(...outline(video.crop));
      return frame;
    });
    const moving = make("span", { class: "moving" }, ...(whole ? [image, ...outline(video.crop)] : []));
    const rest = () => {
      moving.remove();
      frames.forEach((frame) => { frame.hidden = false; });
      if (!whole) image.src = still;
    };
    const run = () => {
      image.src = picture(video.preview);
      frames.forEach((frame) => { frame.hidden = true; });
      if (whole) button.prepend(moving);
    };
    button.append(...(whole ? frames : [image, ...outline(video.crop)]));
    rest();
    if (video.preview) {
      const sign = make("span", { class: "sign", text: "▶", "aria-hidden": "true" });
      button.append(sign);
      button.setAttribute("aria-pressed", "false");
      button.play = (on) => {
        if (on === (button.getAttribute("aria-pressed") === "true")) return;
        button.setAttribute("aria-pressed", String(on));
        if (on) run(); else rest();
        sign.textContent = on ? "■" : "▶";
      };
      button.addEventListener("click", () => button.play(button.getAttribute("aria-pressed") !== "true"));
    } else {
      button.tabIndex = -1;
      button.style.cursor = "default";
    }
    return button;
  }

  function caption(index) {
    const box = document.createDocumentFragment(), { name, part, address, class_number: label } = videos[index];
    box.append(make("p", { class: "name", text: name }));
    if (part) box.append(make("p", { class: "part" }, address ? make("a", { href: address, target: "_blank", title: "Opens the file at that time, if the browser plays this format", text: part }) : part));
    if (label >= 0) box.append(make("div", { class: "class", text: className(label) }));
    return box;
  }

  function card(row, place) {
    const { video: index, similarity } = row.neighbors[place];
    const verdict = make("div", { class: "verdict" });
    let kind = "card";
    if (judged) {
      const right = videos[index].class_number === queryOf(row).class_number;
      kind += right ? " right" : " wrong";
      verdict.append(make("b", { text: right ? "✓ right" : "✗ wrong", title: right ? "of the query's class" : "of another class" }));
    } else if (pairs) {
      if (similarity < data.least_similarity - 2e-6) verdict.append(make("span", { text: "through another video" })); // the data has 6 decimals
    } else {
      verdict.append(make("span", { text: `${place + 1}.` }));
    }
    verdict.append(make("span", { text: similarity.toFixed(3), title: "cosine similarity, 1 is the same" }));
    const name = videos[index].name;
    const few = row.neighbors.length <= FEW;
    return make("li", { class: kind }, verdict, film(index, { whole: few, label: `Play ${name}` }), caption(index));
  }

  // A row fills its width: few neighbors show all their frames; many stand around the query, in as many columns as leave the fewest gaps.
  const FEW = 3, BESIDE = 6, QUERY_CELLS = 6; // three columns, two rows
  function columnsOf(neighbors) {
    if (neighbors <= BESIDE) return neighbors;
    const gaps = (columns) => (columns - ((neighbors + QUERY_CELLS) % columns)) % columns;
    return [8, 9, 7, 10].reduce((best, columns) => (gaps(columns) < gaps(best) ? columns : best));
  }

  function drawRow(number) {
    const row = rows[number];
    const neighbors = row.neighbors.length, size = neighbors <= FEW ? ` few few${neighbors}` : neighbors > BESIDE ? " many" : "";
    const element = make("article", { class: `row${size}`, tabindex: "-1", "data-row": number, "aria-label": queryOf(row).name });
    const query = make("div", { class: "query" }, make("p", { class: "kind", text: pairs ? "Keep" : "Query" }));
    query.append(film(row.query, { whole: true, label: `Play ${queryOf(row).name}` }), caption(row.query));
    const found = make("ol", { class: "found" }, ...row.neighbors.map((_, place) => card(row, place)));
    const title = pairs ? "Similar: look before you remove" : `Nearest ${parts ? "segments" : "videos"}, most similar first (1 is the same)`;
    element.style.setProperty("--columns", Math.max(1, columnsOf(neighbors)));
    element.style.setProperty("--found", `${Math.max(1, neighbors)}fr`);
    element.append(query, make("div", { class: "rest" }, make("p", { class: "kind", text: title }), found));
    return element;
  }

  // ---- which rows, in which order; drawn as they are scrolled to
  const BATCH = 24;
  let shown = [], drawn = 0, current = -1, playing = false;
  const first = (row) => (row.neighbors.length ? row.neighbors[0].similarity : -2);
  function select() {
    const wanted = chosen.search.toLowerCase();
    shown = rows.map((_, number) => number).filter((number) => {
      const row = rows[number], label = queryOf(row).class_number, nearest = nearestOf(row);
      if (chosen.class !== "" && label !== Number(chosen.class)) return false;
      if (chosen.mistake && isRight(row) !== (chosen.mistake === "right")) return false;
      if (chosen.cell && !(nearest && label === chosen.cell.label && nearest.class_number === chosen.cell.predicted)) return false;
      return !wanted || queryOf(row).name.toLowerCase().includes(wanted) || (pairs && nearest.name.toLowerCase().includes(wanted));
    });
    if (chosen.sort === "far") shown.sort((a, b) => first(rows[a]) - first(rows[b]) || a - b);
    if (chosen.sort === "near" && !pairs) shown.sort((a, b) => first(rows[b]) - first(rows[a]) || a - b);
    if (chosen.sort === "near" && pairs) shown.sort((a, b) => queryOf(rows[a]).name.localeCompare(queryOf(rows[b]).name) || a - b);
    byId("rows").replaceChildren();
    drawn = 0;
    current = -1;
    more();
    fill();
    if (!shown.length) byId("rows").append(make("p", { class: "none", text: rows.length ? "No row matches the filters." : "No results." }));
    const one = rows.length === 1, what = pairs ? (one ? "group" : "groups") : one ? "query" : "queries";
    byId("count").textContent = shown.length === rows.length ? `${rows.length} ${what}` : `${shown.length} of ${rows.length} ${what}`;
    const link = [["class", chosen.class], ["mistake", chosen.mistake], ["sort", chosen.sort]];
    for (const [id, value] of link) if (byId(id) && byId(id).value !== value) byId(id).value = value;
  }
  function more() {
    const end = Math.min(shown.length, drawn + BATCH);
    const fresh = shown.slice(drawn, end).map(drawRow);
    byId("rows").append(...fresh);
    fresh.forEach((element) => inView.observe(element));
    drawn = end;
  }
  const inView = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      entry.target.visible = entry.isIntersecting;
      if (playing || !entry.isIntersecting) entry.target.querySelectorAll(".film").forEach((one) => one.play && one.play(playing && entry.isIntersecting));
    }
  });
  // as long as the end of what is drawn is near the window
  function fill() {
    while (drawn < shown.length && !byId("view-videos").hidden && byId("more").getBoundingClientRect().top < innerHeight + 900) more();
  }
  new IntersectionObserver(fill, { rootMargin: "900px" }).observe(byId("more"));
  addEventListener("scroll", fill, { passive: true });

  function choose(change) {
    Object.assign(chosen, { cell: null }, change);
    select();
  }
  const tabs = [...document.querySelectorAll("[role=tab]")];
  function showTab(chosenTab) {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosenTab));
      tab.tabIndex = tab === chosenTab ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = tab !== chosenTab;
    }
    fill();
  }
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => showTab(tab));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = tabs[(place + by + tabs.length) % tabs.length];
      showTab(next);
      next.focus();
      event.preventDefault();
    });
  });
  function goTo() {
    if (tabs.length) showTab(tabs[0]);
    byId("rows").scrollIntoView({ block: "start" });
    byId("rows").focus({ preventScroll: true });
  }
  for (const id of ["class", "mistake", "sort"]) byId(id)?.addEventListener("change", (event) => choose({ [id]: event.target.value }));
  byId("search").addEventListener("input", (event) => choose({ search: event.target.value }));
  byId("play").addEventListener("click", () => {
    playing = !playing;
    byId("play").setAttribute("aria-pressed", String(playing));
    byId("play").textContent = playing ? "Stop playing" : "Play all in view";
    document.querySelectorAll(".row").forEach((row) => row.querySelectorAll(".film").forEach((one) => one.play && one.play(playing && row.visible)));
  });

  function step(by) {
    const next = Math.max(0, Math.min(shown.length - 1, current + by));
    while (next >= drawn && drawn < shown.length) more();
    const elements = byId("rows").querySelectorAll(".row");
    elements[current]?.classList.remove("current");
    current = next;
    elements[current]?.classList.add("current");
    elements[current]?.focus({ preventScroll: true });
    elements[current]?.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (byId("view-videos").hidden) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") byId("search").focus();
    else if (event.key === "m" && judged) choose({ mistake: chosen.mistake === "wrong" ? "" : "wrong" });
    else if (event.key === "Enter" && event.target.classList.contains("row")) event.target.querySelector(".film")?.click();
    else return;
    event.preventDefault();
  });

  // ---- recall of each class, and the confusion matrix
  if (judged) {
    byId("recall").append(...recall.map(({ class_number: label, right, total }) => {
      const percent = total ? (100 * right) / total : 0;
      const fill = make("div", { class: "fill" });
      fill.style.width = `${percent}%`;
      return make("button", { class: "recall", type: "button", title: `Show ${className(label)}`, onclick: () => { choose({ class: String(label), mistake: "" }); goTo(); } },
        make("span", { class: "label", text: className(label) }), make("span", { class: "track" }, fill),
        make("span", { class: "value", text: `${right} of ${total}` }));
    }));
    const MOST = 40;
    const wrongs = new Map(recall.map(({ class_number: label, right, total }) => [label, total - right]));
    let labels = recall.map((entry) => entry.class_number);
    const all = labels.length;
    if (all > MOST) labels = labels.sort((a, b) => wrongs.get(b) - wrongs.get(a)).slice(0, MOST);
    labels.sort((a, b) => a - b);
    const columns = [...new Set([...labels, ...(all > MOST ? [] : confusion.map((entry) => entry.nearest_class))])].sort((a, b) => a - b);
    const counts = new Map(confusion.map((entry) => [`${entry.class_number} ${entry.nearest_class}`, entry.count]));
    const table = byId("confusion");
    table.append(make("thead", {}, make("tr", {}, make("td"), ...columns.map((label) => make("th", { scope: "col" }, make("span", { text: className(label) }))))));
    table.append(make("tbody", {}, ...labels.map((label) => {
      const total = recall.find((entry) => entry.class_number === label).total;
      return make("tr", {}, make("th", { scope: "row", text: className(label), title: className(label) }), ...columns.map((predicted) => {
        const count = counts.get(`${label} ${predicted}`) || 0;
        const cell = make("td", { class: label === predicted ? "diagonal" : "" });
        if (count) {
          cell.style.background = `color-mix(in srgb, var(--mark) ${Math.round(8 + (55 * count) / total)}%, transparent)`;
          cell.append(make("button", { type: "button", text: count, "aria-label": `${count} queries of ${className(label)} whose nearest is ${className(predicted)}`,
            onclick: () => { choose({ class: "", mistake: "", search: "", cell: { label, predicted } }); byId("search").value = ""; goTo(); } }));
        }
        return cell;
      }));
    })));
    if (all > MOST) byId("confusion-panel").querySelector(".hint").textContent += ` Of ${all} classes the ${MOST} with the most mistakes are shown.`;
  }

  // ---- what scrolls sideways fades at the side where more follows
  document.querySelectorAll(".scroll").forEach((box) => {
    const mark = () => box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
    box.addEventListener("scroll", mark, { passive: true });
    new ResizeObserver(mark).observe(box);
  });

  // ---- the map
  const canvas = byId("map");
  if (canvas) {
    const COLORS = ["#3f87de", "#dd7430", "#2fa269", "#d05697", "#8d70d8", "#b58d0c", "#179fae", "#cc5046"];
    const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "drop"];
    const colored = points.some((point) => videos[point.video].class_number >= 0);
    const style = (label) => ({ color: label < 0 ? (colored ? "#8a94a0" : COLORS[0]) : COLORS[label % 8], shape: label < 0 ? "circle" : SHAPES[(label + Math.floor(label / 8)) % 6] });
    const tip = byId("tip");
    let places = [], at = -1, only = null;
    function sign(context, shape, x, y, radius) {
      context.beginPath();
      if (shape === "circle") context.arc(x, y, radius, 0, 7);
      else if (shape === "square") context.rect(x - radius * 0.9, y - radius * 0.9, radius * 1.8, radius * 1.8);
      else {
        const corners = {
          triangle: [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]], drop: [[0, 1.2], [1.1, -0.9], [-1.1, -0.9]], diamond: [[0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0]],
          plus: [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
        }[shape];
        corners.forEach(([dx, dy], place) => context[place ? "lineTo" : "moveTo"](x + dx * radius, y + dy * radius));
        context.closePath();
      }
    }
    function draw() {
      const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
      canvas.width = width * scale;
      canvas.height = height * scale;
      const context = canvas.getContext("2d");
      context.scale(scale, scale);
      const ink = getComputedStyle(document.body).color;
      places = points.map(({ x, y }) => [18 + x * (width - 36), 18 + (1 - y) * (height - 36)]);
      const radius = points.length > 3000 ? 3 : points.length > 600 ? 4 : 5.5;
      points.forEach(({ video: index, is_query: isQuery }, place) => {
        const label = videos[index].class_number, { color, shape } = style(label);
        context.globalAlpha = only !== null && label !== only ? 0.08 : isQuery ? 0.95 : 0.55;
        sign(context, shape, ...places[place], radius);
        context.fillStyle = context.strokeStyle = color;
        context.lineWidth = 1.5;
        if (isQuery) context.fill(); else context.stroke();
      });
      context.globalAlpha = 1;
      if (at >= 0) {
        context.beginPath();
        context.arc(...places[at], radius + 5, 0, 7);
        context.strokeStyle = ink;
        context.lineWidth = 2;
        context.stroke();
      }
    }
    function show(place) {
      if (place === at) return;
      at = place;
      draw();
      tip.hidden = at < 0;
      if (at < 0) return;
      const { video: index, is_query: isQuery } = points[at];
      const moving = picture(videos[index].preview) || picture(videos[index].strip);
      tip.replaceChildren(caption(index), make("div", { class: "class", text: isQuery ? "query" : "in the gallery" }));
      if (moving) {
        const box = make("div", { class: "film still" }, make("img", { src: moving, alt: "" }), ...outline(videos[index].crop));
        box.style.aspectRatio = `${Math.max(1, videos[index].width)} / ${Math.max(1, videos[index].height)}`;
        tip.prepend(box);
      }
      const [x, y] = places[at];
      tip.style.left = `${Math.max(0, Math.min(canvas.clientWidth - 190, x + 14))}px`;
      tip.style.top = y > canvas.clientHeight / 2 ? "auto" : `${y + 14}px`;
      tip.style.bottom = y > canvas.clientHeight / 2 ? `${canvas.clientHeight - y + 14}px` : "auto";
    }
    function nearest(event) {
      const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = -1, least = 28 ** 2;
      places.forEach(([px, py], place) => {
        if (only !== null && videos[points[place].video].class_number !== only) return;
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [best, least] = [place, distance];
      });
      return best;
    }
    function open(place) {
      const row = place < 0 ? -1 : rows.findIndex((one) => one.query === points[place].video);
      if (row < 0) return;
      byId("search").value = queryOf(rows[row]).name;
      choose({ class: "", mistake: "", search: queryOf(rows[row]).name });
      goTo();
    }
    canvas.addEventListener("pointermove", (event) => show(nearest(event)));
    canvas.addEventListener("pointerdown", (event) => show(nearest(event)));
    canvas.addEventListener("pointerleave", () => show(-1));
    canvas.addEventListener("blur", () => show(-1));
    canvas.addEventListener("click", (event) => { if (event.detail > 1) open(nearest(event)); });
    const order = points.map((_, place) => place).sort((a, b) => points[a].x - points[b].x || a - b);
    canvas.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by) {
        const now = order.indexOf(at);
        show(order[(now < 0 ? (by > 0 ? 0 : order.length - 1) : now + by + order.length) % order.length]);
      } else if (event.key === "Enter") open(at);
      else if (event.key === "Escape") show(-1);
      else return;
      event.preventDefault();
    });
    if (colored) {
      const present = [...new Set(points.map((point) => videos[point.video].class_number))].filter((label) => label >= 0).sort((a, b) => a - b);
      byId("legend").append(...present.slice(0, 60).map((label) => {
        const mark = make("canvas", { width: 32, height: 32, "aria-hidden": "true" });
        mark.style.width = mark.style.height = "16px";
        const context = mark.getContext("2d"), { color, shape } = style(label);
        sign(context, shape, 16, 16, 10);
        context.fillStyle = color;
        context.fill();
        const button = make("button", { type: "button", "aria-pressed": "false", onclick: () => {
          only = only === label ? null : label;
          byId("legend").querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button && only === label)));
          draw();
        } }, mark, className(label));
        return button;
      }));
    }
    new ResizeObserver(draw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }
  select();
})();
