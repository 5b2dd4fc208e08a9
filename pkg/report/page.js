"use strict";
// The page is complete without this script. It adds a cursor over all panels, the
// values at it, the choice of runs, and the switch between light and dark.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const runs = data.runs.map((run, i) => ({ ...run, node: document.getElementById("run-" + i) }));

  // Light and dark.
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();

  // Which runs are shown.
  const choice = document.getElementById("choice");
  choice.hidden = runs.length < 2;
  const unfold = (box) => { document.getElementById(box.value).hidden = !box.checked; };
  choice.querySelectorAll("input").forEach(unfold);
  choice.addEventListener("change", (event) => unfold(event.target));

  const element = (name, className, text) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const clock = (run, seconds) => {
    const iso = new Date((run.begin + run.offset + seconds) * 1000).toISOString();
    return { day: iso.slice(0, 10), time: iso.slice(11, 19) };
  };

  const number = (v) => (v === null || v === undefined ? "-" : String(v).replace("+Inf", "∞"));

  const value = (line, i) => {
    const low = line.low[i];
    const high = line.high ? line.high[i] : low;
    const text = low === high ? number(low) : number(low) + " to " + number(high);
    return low === null || low === undefined ? "-" : text + (line.unit ? " " + line.unit : "");
  };

  // The interval of a run that a time of the page belongs to.
  const intervalAt = (run, seconds) => Math.max(0, Math.min(run.lines[0].low.length - 1, Math.ceil(seconds / run.width) - 1));

  // The last decision that is not after an interval.
  const syncAt = (run, i) => run.syncs.findLast((s) => s.i <= i);

  const showValues = (run, i) => {
    const values = element("div", "values");
    let group, list;
    for (const line of run.lines) {
      if (!group || group.dataset.panel !== line.panel) {
        group = element("div");
        group.dataset.panel = line.panel;
        group.append(element("h4", "", line.panel));
        list = element("dl");
        group.append(list);
        values.append(group);
      }
      const answer = element("dd", "", value(line, i));
      answer.dataset.line = line.panel + "/" + line.label;
      list.append(element("dt", "", line.label), answer);
    }
    return values;
  };

  const showSync = (run, i) => {
    const sync = syncAt(run, i);
    if (!sync) return [];
    const node = element("div", "sync c-k-" + sync.kind);
    const count = sync.count > 1 ? " · the most telling of " + sync.count + " syncs in its interval" : "";
    const head = element("p");
    head.append(element("b", "reason", sync.reason), element("span", "", " · " + sync.title + " · sync at " + sync.time + count));
    node.append(head);
    for (const sentence of sync.text.trim().split("\n")) node.append(element("p", "arithmetic", sentence));
    return [node];
  };

  const show = (run, i) => {
    run.at = i;
    const from = clock(run, i * run.width);
    const to = clock(run, Math.min((i + 1) * run.width, run.length));
    const box = run.node.querySelector(".box");
    box.replaceChildren(
      element("h3", "", from.day + " " + from.time + " to " + (to.day === from.day ? "" : to.day + " ") + to.time),
      ...run.events.filter((e) => e.i === i).map((e) => element("p", "happened", e.text)),
      showValues(run, i),
      ...showSync(run, i));
    const slider = run.node.querySelector(".scrub input");
    slider.value = i;
    slider.setAttribute("aria-valuetext", from.time);
    placeCursors(run);
  };

  const drawingOf = (drawing) => [...drawing.querySelectorAll("svg")].find((svg) => svg.getClientRects().length > 0);

  const placeCursors = (run) => {
    if (run.at === undefined) return;
    for (const drawing of run.node.querySelectorAll(".drawing")) {
      const svg = drawingOf(drawing);
      if (!svg) continue;
      let cursor = drawing.querySelector(".cursor");
      if (!cursor) {
        cursor = element("div", "cursor");
        drawing.append(cursor);
      }
      const left = Number(svg.dataset.left), right = Number(svg.dataset.right);
      const place = (seconds) => (left + (right - left) * Math.min(1, seconds / run.length)) * svg.getBoundingClientRect().width;
      const from = place(run.at * run.width), to = place((run.at + 1) * run.width);
      cursor.style.left = from + "px";
      cursor.style.width = Math.max(1, to - from) + "px";
      cursor.classList.toggle("interval", to - from > 3);
    }
  };

  // All runs that are shown stand at one time.
  const showAll = (seconds) => {
    for (const run of runs) {
      if (run.lines && run.lines.length && !run.node.hidden) show(run, intervalAt(run, seconds));
    }
  };

  const point = (run, drawing, event) => {
    const svg = drawingOf(drawing);
    if (!svg) return;
    const frame = svg.getBoundingClientRect();
    const left = Number(svg.dataset.left), right = Number(svg.dataset.right);
    const fraction = ((event.clientX - frame.left) / frame.width - left) / (right - left);
    showAll(Math.max(0, Math.min(1, fraction)) * run.length);
  };

  for (const run of runs) {
    if (!run.lines || !run.lines.length) continue;
    for (const drawing of run.node.querySelectorAll(".drawing")) {
      for (const kind of ["pointermove", "pointerdown"]) {
        drawing.addEventListener(kind, (event) => point(run, drawing, event));
      }
      drawing.addEventListener("click", () => run.node.querySelector(".scrub input").focus({ preventScroll: true }));
    }
    const scrub = run.node.querySelector(".scrub");
    scrub.hidden = false;
    scrub.firstElementChild.addEventListener("input", (event) => showAll((Number(event.target.value) + 1) * run.width));
    new ResizeObserver(() => placeCursors(run)).observe(run.node);
  }
})();
