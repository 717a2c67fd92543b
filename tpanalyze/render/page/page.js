"use strict";
(() => {
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);

// ---------------------------------------------------------------- the graph, and who is meant

const panel = byId("panel");
const known = (name) => byId(`${name}-about`);

function about(key) {
  // A folded card stands for many: its key names the first of them.  Rows of queues are tasks.
  const plain = key.replace(/^many_/, "").replace(/^(queue|slot)(?=\d)/, "pool");
  return known(plain);
}

function show(key) {
  const article = about(key);
  if (!article) return;
  const copy = article.cloneNode(true);
  copy.removeAttribute("id");
  panel.replaceChildren(copy);
  panel.scrollTop = 0;
  panel.dataset.shows = key;
  document.querySelector(".split").classList.add("two");
  for (const node of document.querySelectorAll("svg .pick")) node.classList.toggle("on", node.id === key);
}

for (const node of document.querySelectorAll("#graph svg g[id]")) {
  if (!about(node.id)) continue;
  const group = node.classList.contains("cluster") ? node.querySelector("text") : node;
  if (!group) continue;
  node.classList.add("pick");
  node.setAttribute("tabindex", "0");
  node.setAttribute("role", "button");
  const title = node.querySelector("title");
  if (title) node.setAttribute("aria-label", title.textContent.split("\n")[0]);
  node.addEventListener("click", (event) => { event.stopPropagation(); show(node.id); });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    show(node.id);
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#panel a[data-about]");
  if (!link || !about(link.dataset.about)) return;
  event.preventDefault();
  show(link.dataset.about);
});

// A link to what is folded away unfolds it.
function unfold() {
  const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details:not([open])");
  if (folded) { folded.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", unfold);
unfold();

const first = document.querySelector("#graph svg g.node.core.pick") || document.querySelector("#graph svg g.pick");
if (first) show(first.id);

// ---------------------------------------------------------------- the table

const table = byId("table");
if (table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const words = head.classList.contains("words");
    const now = head.getAttribute("aria-sort");
    const up = now === "none" ? words : now === "descending";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => words ? row.cells[column].textContent : Number(row.cells[column].dataset.value);
    const order = (a, b) => words ? a.localeCompare(b) : a - b;
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort((a, b) => (up ? 1 : -1) * order(a[0], b[0]));
    body.append(...rows.map((pair) => pair[1]));
  }));
}

// ---------------------------------------------------------------- columns of numbers

async function unpack(packed, rows, columns) {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const plain = new Uint8Array(await new Response(stream).arrayBuffer());
  const found = [];
  for (let c = 0; c < columns; c++) {
    const column = new Float64Array(rows);
    for (let plane = 0; plane < 4; plane++) {
      const at = (4 * c + plane) * rows, weight = 256 ** plane;
      for (let i = 0; i < rows; i++) column[i] += plain[at + i] * weight;
    }
    found.push(column);
  }
  return found;
}

// ---------------------------------------------------------------- words for times

const unit = data.timeline.unit_ns;
function duration(units) {
  const ns = units * unit;
  if (ns < 1e6) return `${Math.round(ns / 1e3)} µs`;
  if (ns < 1e8) return `${+(ns / 1e6).toPrecision(3)} ms`;
  if (ns < 12e10) return `${(ns / 1e9).toFixed(2)} s`;
  const minutes = Math.floor(ns / 6e10);
  return `${minutes} min ${Math.round(ns / 1e9 - 60 * minutes)} s`;
}
const moment = (units) => `${(units * unit / 1e9).toFixed(6).replace(/0{1,3}$/, "")} s`;
function tick(units, step) {
  const seconds = step * unit / 1e9;
  if (seconds >= 1) return `${+(units * unit / 1e9).toFixed(0)} s`;
  const digits = Math.max(0, Math.ceil(-Math.log10(seconds) - 1e-9));
  if (digits > 3) return `${(units * unit / 1e6).toFixed(digits - 3)} ms`;
  return `${(units * unit / 1e9).toFixed(digits)} s`;
}
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

// ---------------------------------------------------------------- colours, from the style sheet

let ink;
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  ink = {
    card: read("--card"), frame: read("--frame"), ink: read("--ink"), muted: read("--muted"),
    grid: read("--grid"), pool: read("--pool"), queued: read("--queued"),
    queuedLine: read("--queued-line"), frameOfPool: read("--pool-frame"),
    fill: [read("--running"), read("--waiting"), read("--victim-strong"), read("--core-strong")],
    hatch: [null, read("--waiting-line"), read("--victim-tint"), read("--core-tint")],
    text: [read("--on-running"), read("--ink"), read("--victim-on-strong"), read("--core-on-strong")],
    core: read("--core-line"), victim: read("--victim-line"), mark: read("--core-strong"),
    onMark: read("--core-on-strong"),
  };
}

function hatching(context, kind, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(7 * ratio);
  const brush = tile.getContext("2d");
  brush.scale(tile.width / 7, tile.height / 7);
  brush.fillStyle = ink.fill[kind];
  brush.fillRect(0, 0, 7, 7);
  brush.strokeStyle = ink.hatch[kind];
  brush.lineWidth = kind === 1 ? 1.6 : 0.9;
  brush.beginPath();
  for (const [x1, y1, x2, y2] of [[-1, 8, 8, -1], [-1, 1, 1, -1], [6, 8, 8, 6]]) { brush.moveTo(x1, y1); brush.lineTo(x2, y2); }
  brush.stroke();
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

// ---------------------------------------------------------------- the timeline

const lanes = data.timeline.lanes, labels = data.timeline.labels, marks = data.timeline.marks, proved = data.timeline.proved;
const box = byId("lanes"), chart = byId("chart"), tip = byId("tip"), tall = byId("tall");
const LANE = 21, BAR = 16, TITLE = 24, AXIS = 26, MIXED = 4, OPEN = 8;
const FONT = "Helvetica,Arial,sans-serif";
const whole = Math.max(1, data.timeline.end);
// A program that hangs does so for long after a short life: at first only that life is shown.
const busy = data.timeline.quiet - data.timeline.first;
const eventful = busy > 0 && whole - data.timeline.first > 2.5 * busy
  ? [Math.max(0, data.timeline.first - 0.03 * busy), data.timeline.quiet + 0.3 * busy]
  : [Math.max(0, data.timeline.first - 0.01 * whole), whole];
let begin = [], end = [], kinds = [], names = [], tasks = [], from = [];
let view = [...eventful], layout = [], height = 0, gutter = 150, queued = false, printing = false;

function arrange() {
  // Each group of lanes has its pool's name above it.
  layout = [];
  height = AXIS;
  let pool = null;
  lanes.forEach((lane, index) => {
    if (lane.pool !== pool && (lane.pool || pool !== null)) {
      layout.push({ top: height, title: lane.pool || "other threads" });
      height += TITLE;
    }
    pool = lane.pool;
    layout.push({ top: height, lane: index });
    height += LANE;
  });
  height += 10;
}

// The first row of the lane, between two places, that ends after a moment.
function firstAfter(moment, low, high) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (end[middle] > moment) high = middle; else low = middle + 1;
  }
  return low;
}

function draw() {
  queued = false;
  const started = performance.now();
  const ratio = window.devicePixelRatio || 1;
  const width = box.clientWidth;
  if (width < 140) return;
  const tallest = printing ? Math.min(height, 4000) : Math.min(height, Math.round(innerHeight * 0.7));
  gutter = Math.min(190, Math.max(86, width * 0.16));
  tall.style.height = `${height}px`;
  tall.style.marginBottom = `${-height}px`;
  if (chart.width !== Math.round(width * ratio) || chart.height !== Math.round(tallest * ratio)) {
    chart.width = Math.round(width * ratio);
    chart.height = Math.round(tallest * ratio);
    chart.style.height = `${tallest}px`;
  }
  const context = chart.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, tallest);
  const patterns = [ink.fill[0], ...[1, 2, 3].map((kind) => hatching(context, kind, ratio))];
  const left = gutter, right = width - 12;
  const scale = (right - left) / (view[1] - view[0]);
  const x = (moment) => left + (moment - view[0]) * scale;
  const scroll = printing ? 0 : box.scrollTop;
  const step = roundStep(90 / scale);
  context.font = `11px ${FONT}`;
  context.textBaseline = "middle";
  context.strokeStyle = ink.grid;
  context.beginPath();
  for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
    context.moveTo(Math.round(x(at)) + 0.5, AXIS - 4);
    context.lineTo(Math.round(x(at)) + 0.5, tallest);
  }
  context.stroke();
  let parts = 0;
  for (const row of layout) {
    const top = row.top - scroll;
    if (top < AXIS - LANE || top > tallest) continue;
    if (row.title !== undefined) {
      context.fillStyle = ink.ink;
      context.font = `bold 11.5px ${FONT}`;
      context.fillText(row.title, 12, top + 14, width - 24);
      continue;
    }
    parts += drawLane(context, row.lane, top, patterns, x, scale, left, right);
  }
  for (const mark of marks) {
    if (mark.at < view[0] || mark.at > view[1]) continue;
    context.strokeStyle = ink.mark;
    context.lineWidth = 1.5;
    context.setLineDash([5, 3]);
    context.beginPath();
    context.moveTo(x(mark.at), AXIS - 6);
    context.lineTo(x(mark.at), tallest);
    context.stroke();
    context.setLineDash([]);
    context.lineWidth = 1;
  }
  drawAxis(context, width, x, step);
  chart.dataset.from = view[0];
  chart.dataset.to = view[1];
  chart.dataset.parts = parts;
  chart.dataset.drawn = Number(chart.dataset.drawn || 0) + 1;
  chart.dataset.ms = (performance.now() - started).toFixed(2);
  note();
  for (const load of drawnLoads) load();
}

function drawAxis(context, width, x, step) {
  context.fillStyle = ink.pool;
  context.fillRect(0, 0, width, AXIS - 4);
  context.fillStyle = ink.muted;
  context.font = `11px ${FONT}`;
  context.textAlign = "center";
  let taken = [];
  for (const mark of marks) {
    if (mark.at < view[0] || mark.at > view[1]) continue;
    const alone = proved ? "certain from here" : "from here";
    const said = marks.length > 1 ? `${proved ? "deadlock" : "finding"} ${mark.finding}` : alone;
    const wide = context.measureText(said).width + 12;
    const middle = Math.min(Math.max(x(mark.at), gutter + wide / 2), width - 12 - wide / 2);
    if (taken.some(([a, b]) => middle + wide / 2 > a && middle - wide / 2 < b)) continue;
    taken.push([middle - wide / 2 - 4, middle + wide / 2 + 4]);
    context.fillStyle = ink.mark;
    context.beginPath();
    context.roundRect(middle - wide / 2, 3, wide, 17, 3);
    context.fill();
    context.fillStyle = ink.onMark;
    context.fillText(said, middle, 12);
  }
  context.fillStyle = ink.muted;
  for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
    const said = tick(at, step), half = context.measureText(said).width / 2;
    const middle = Math.min(x(at), width - 12 - half);
    if (middle - half < gutter - 20 || taken.some(([a, b]) => middle + half > a && middle - half < b)) continue;
    context.fillText(said, middle, 12);
  }
  context.textAlign = "left";
}

function drawLane(context, index, top, patterns, x, scale, left, right) {
  const lane = lanes[index];
  const bold = lane.role !== "plain";
  if (bold) {
    context.fillStyle = lane.role === "core" ? ink.core : ink.victim;
    context.fillRect(4, top, 4, BAR);
  }
  context.font = `${bold ? "bold " : ""}11px ${FONT}`;
  context.fillStyle = ink.ink;
  context.fillText(shorten(context, lane.name, left - 22), 12, top + BAR / 2 + 0.5);
  context.strokeStyle = ink.grid;
  context.beginPath();
  context.moveTo(left, top + BAR / 2 + 0.5);
  context.lineTo(right, top + BAR / 2 + 0.5);
  context.stroke();
  const last = from[index + 1];
  let row = firstAfter(view[0], from[index], last), parts = 0;
  while (row < last && begin[row] < view[1]) {
    const kind = kinds[row] & 7;
    const a = Math.max(left, x(begin[row])), b = Math.min(right, x(end[row]));
    if (b - a >= 2 && kind !== MIXED) {
      context.fillStyle = patterns[kind];
      context.beginPath();
      context.roundRect(a, top, b - a - (b - a > 6 ? 0.6 : 0), BAR, Math.min(2, (b - a) / 2));
      context.fill();
      if (b - a > 26) write(context, row, kind, a, b, top);
      parts++;
      row++;
      continue;
    }
    // Level of detail: everything within two pixels is one bar, as high as its share of the time.
    const stop = view[0] + (Math.floor((a - left) / 2) * 2 + 2) / scale;
    const column = left + (stop - view[0]) * scale - 2;
    const start = stop - 2 / scale;
    const shares = [0, 0, 0, 0];
    const until = Math.max(stop, begin[row] + 1e-6);  // so that rounding cannot keep it here
    while (row < last && begin[row] < until) {
      const here = kinds[row] & 7;
      const inside = Math.min(end[row], stop) - Math.max(begin[row], start);
      if (here === MIXED) {
        shares[0] += inside * (names[row] >> 8) / 255;
        shares[1] += inside * (names[row] & 255) / 255;
      } else {
        shares[here] += Math.max(inside, 0);
      }
      if (end[row] > stop) break;
      row++;
    }
    let bottom = top + BAR;
    const total = Math.max(2 / scale, 1e-9);
    let some = shares[0] + shares[1] + shares[2] + shares[3] > 0;
    for (let each = 0; each < 4; each++) {
      if (!shares[each] && some) continue;
      const high = Math.min(BAR, Math.max(some ? 1.2 : 0.8, BAR * shares[each] / total));
      if (!some && each) break;
      context.fillStyle = ink.fill[each];
      context.fillRect(column, bottom - high, 2, high);
      bottom -= high;
    }
    parts++;
    if (row < last && begin[row] < until && end[row] > stop) {
      // what goes on beyond these pixels is drawn from there
      const rest = Math.min(right, x(end[row]));
      const here = kinds[row] & 7;
      if (rest - column - 2 >= 0.5) {
        context.fillStyle = here === MIXED ? ink.fill[0] : patterns[here];
        const high = here === MIXED ? BAR * (names[row] >> 8) / 255 : BAR;
        context.fillRect(column + 2, top + BAR - high, rest - column - 2, high);
        if (here !== MIXED && rest - column > 28) write(context, row, here, column + 2, rest, top);
      }
      row++;
    }
  }
  return parts;
}

function write(context, row, kind, a, b, top) {
  const [name, place] = labels[names[row]] || ["", ""];
  const task = tasks[row] ? `${name || "task"} #${tasks[row]}` : name;
  const stuck = kind > 1;
  const said = kind === 0 ? task : stuck ? `${task ? task + " " : ""}${proved ? "stuck" : "waits"}${place ? " at " + place : ""}` : place ? `waits at ${place}` : "waits";
  context.font = `${stuck ? "bold " : ""}10.5px ${FONT}`;
  const words = shorten(context, said, b - a - 8);
  if (words.length * 2 < said.length) return;
  if (kind > 0) {
    context.fillStyle = ink.fill[kind];
    context.fillRect(a + 1, top + 1, Math.min(b - a - 2, context.measureText(words).width + 7), BAR - 2);
  }
  context.fillStyle = ink.text[kind];
  context.fillText(words, a + 4, top + BAR / 2 + 0.5);
}

function shorten(context, words, room) {
  if (context.measureText(words).width <= room) return words;
  let low = 0, high = words.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1, half = middle >> 1;
    const cut = words.slice(0, middle - half) + "…" + (half ? words.slice(-half) : "");
    if (context.measureText(cut).width <= room) low = middle; else high = middle - 1;
  }
  if (low < 2) return "";
  const half = low >> 1;
  return words.slice(0, low - half) + "…" + (half ? words.slice(-half) : "");
}

function note() {
  const parts = [`${moment(view[0])} to ${moment(view[1])}`];
  if (view[1] < whole) parts.push(`${duration(whole - view[1])} more to the right`);
  if (data.timeline.merged) parts.push(`intervals shorter than ${duration(data.timeline.merged)} are drawn together`);
  byId("note").textContent = `${parts.join(" · ")} · drag to move, Ctrl and the wheel or + and − to zoom`;
}

function redraw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(draw);
}

function look(start, stop) {
  const span = Math.min(Math.max(stop - start, 20), whole * 1.02);
  const middle = (start + stop) / 2;
  start = Math.min(Math.max(middle - span / 2, 0), Math.max(0, whole * 1.02 - span));
  view = [start, start + span];
  redraw();
}
function zoom(factor, share = 0.5) {
  const span = view[1] - view[0], fixed = view[0] + span * share, next = span * factor;
  look(fixed - next * share, fixed + next * (1 - share));
}
function move(share) {
  const by = (view[1] - view[0]) * share;
  look(view[0] + by, view[1] + by);
}
const deeds = {
  in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25),
  busy: () => look(...eventful), all: () => look(0, whole * 1.02),
};
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => deeds[button.dataset.do]());
box.addEventListener("keydown", (event) => {
  const key = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" }[event.key];
  if (!key || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  deeds[key]();
});
box.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoom(Math.exp(event.deltaY * 0.004), share(event));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    move(event.deltaX / 800);
  }
}, { passive: false });
box.addEventListener("scroll", redraw);
const share = (event) => {
  const area = chart.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - area.left - gutter) / (area.width - gutter - 12)));
};
let held = null;
const fingers = new Map();
chart.addEventListener("pointerdown", (event) => {
  fingers.set(event.pointerId, event.clientX);
  chart.setPointerCapture(event.pointerId);
  held = { x: event.clientX, view: [...view], moved: false };
});
chart.addEventListener("pointermove", (event) => {
  if (fingers.has(event.pointerId) && fingers.size === 2) {
    const before = Math.abs([...fingers.values()][0] - [...fingers.values()][1]);
    fingers.set(event.pointerId, event.clientX);
    const after = Math.abs([...fingers.values()][0] - [...fingers.values()][1]);
    if (before > 8 && after > 8) zoom(before / after);
    return;
  }
  if (held && fingers.has(event.pointerId)) {
    const by = (held.x - event.clientX) / (box.clientWidth - gutter - 12) * (held.view[1] - held.view[0]);
    if (Math.abs(event.clientX - held.x) > 3) { held.moved = true; chart.classList.add("drag"); tip.hidden = true; }
    if (held.moved) look(held.view[0] + by, held.view[1] + by);
    return;
  }
  hover(event);
});
const release = (event) => {
  fingers.delete(event.pointerId);
  chart.classList.remove("drag");
  if (held && !held.moved && event.type === "pointerup") {
    const row = layout.find((each) => each.lane !== undefined && inside(event, each));
    if (row) { show(`thread${lanes[row.lane].id}`); hover(event); }
  }
  held = null;
};
chart.addEventListener("pointerup", release);
chart.addEventListener("pointercancel", release);
chart.addEventListener("pointerleave", () => { tip.hidden = true; });

function inside(event, row) {
  const y = event.clientY - chart.getBoundingClientRect().top + box.scrollTop;
  return y >= row.top && y < row.top + LANE;
}

function hover(event) {
  const row = layout.find((each) => each.lane !== undefined && inside(event, each));
  tip.hidden = true;
  if (!row) return;
  const lane = lanes[row.lane];
  const area = chart.getBoundingClientRect();
  if (event.clientX < area.left + gutter) {
    say(event, lane.name);
    return;
  }
  const at = view[0] + share(event) * (view[1] - view[0]);
  const slack = 2 * (view[1] - view[0]) / (box.clientWidth - gutter);
  const found = firstAfter(at - slack, from[row.lane], from[row.lane + 1]);
  if (found >= from[row.lane + 1] || begin[found] > at + slack) return;
  const kind = kinds[found] & 7;
  const [name, place] = labels[names[found]] || ["", ""];
  const length = `${moment(begin[found])} to ${kinds[found] & OPEN ? "the end" : moment(end[found])}, ${duration(end[found] - begin[found])}`;
  if (kind === MIXED) {
    say(event, `${lane.name}\n${tasks[found]} short intervals\n${length}`);
    return;
  }
  const does = ["runs", "waits", ...(proved ? ["is stuck behind the core", "is stuck in the core"] : ["waits", "waits"])][kind];
  const task = tasks[found] ? `${name || "task"} #${tasks[found]}` : "no task";
  say(event, `${lane.name}: ${task}\n${does}, ${length}${place ? `\n${kind ? "at" : "submitted at"} ${place}` : ""}`);
}

function say(event, words) {
  tip.textContent = words;
  tip.hidden = false;
  const wide = tip.offsetWidth, high = tip.offsetHeight;
  tip.style.left = `${Math.max(6, Math.min(event.clientX + 14, innerWidth - wide - 8))}px`;
  tip.style.top = `${event.clientY + 16 + high > innerHeight ? event.clientY - high - 10 : event.clientY + 16}px`;
}

// ---------------------------------------------------------------- the pools

const drawnLoads = [];
async function prepareLoad(pool) {
  const [time, waiting, running, blocked, workers] = await unpack(pool.packed, pool.rows, 5);
  const title = document.createElement("h3");
  title.textContent = pool.title;
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title.textContent);
  byId("loads").append(title, canvas);
  drawnLoads.push(() => drawLoad(canvas, pool, time, waiting, running, blocked, workers));
}

function drawLoad(canvas, pool, time, waiting, running, blocked, workers) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, high = 102;
  if (width < 140) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(high * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const left = gutter, right = width - 12, scale = (right - left) / (view[1] - view[0]);
  const x = (at) => Math.min(right, Math.max(left, left + (at - view[0]) * scale));
  const most = Math.max(1, pool.most_workers), longest = Math.max(1, pool.most_queued);
  const line = 56, upper = 48, lower = 38;
  const step = roundStep(90 / scale);
  context.strokeStyle = ink.grid;
  context.beginPath();
  for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) { context.moveTo(Math.round(x(at)) + 0.5, 4); context.lineTo(Math.round(x(at)) + 0.5, high - 4); }
  context.stroke();
  const hatch = hatching(context, 1, ratio);
  const area = (fill, low, top) => {
    context.fillStyle = fill;
    context.beginPath();
    for (let i = 0; i < pool.rows; i++) {
      const until = i + 1 < pool.rows ? time[i + 1] : whole;
      if (until < view[0] || time[i] > view[1]) continue;
      const a = x(time[i]), b = x(until), base = low(i), tip = top(i);
      if (base !== tip) context.rect(a, Math.min(base, tip), Math.max(b - a, 0.6), Math.abs(base - tip));
    }
    context.fill();
  };
  const level = (count) => line - upper * count / most;
  area(ink.fill[0], () => line, (i) => level(running[i]));
  area(hatch, (i) => level(running[i]), (i) => level(running[i] + blocked[i]));
  area(ink.queued, () => line, (i) => line + lower * waiting[i] / longest);
  context.strokeStyle = ink.frameOfPool;
  context.beginPath();
  context.moveTo(left, line + 0.5);
  context.lineTo(right, line + 0.5);
  context.stroke();
  context.font = `11px ${FONT}`;
  context.textBaseline = "middle";
  context.fillStyle = ink.muted;
  context.fillText("workers", 12, line - 24);
  context.fillText("queue", 12, line + 20);
  context.textAlign = "right";
  context.fillText(String(most), left - 8, line - upper + 5);
  if (pool.most_queued) context.fillText(String(longest), left - 8, line + lower - 4);
}

// ---------------------------------------------------------------- to begin with

async function start() {
  readColours();
  arrange();
  if (typeof DecompressionStream === "undefined") {
    byId("note").textContent = "This browser is too old to draw the timeline.";
    return;
  }
  const rows = data.timeline.rows;
  const [lane, distance, length, kind, name, task] = await unpack(data.timeline.packed, rows, 6);
  begin = new Float64Array(rows);
  end = new Float64Array(rows);
  tasks = new Float64Array(rows);
  kinds = kind;
  names = name;
  from = new Array(lanes.length + 1).fill(rows);
  let last = -1, number = 0;
  for (let i = 0; i < rows; i++) {
    if (lane[i] !== last) {
      for (let each = last + 1; each <= lane[i]; each++) from[each] = i;
      last = lane[i];
      begin[i] = distance[i];
    } else {
      begin[i] = begin[i - 1] + distance[i];
    }
    end[i] = begin[i] + length[i];
    number += task[i] % 2 ? -(task[i] + 1) / 2 : task[i] / 2;
    tasks[i] = number;
  }
  for (const pool of data.pools) await prepareLoad(pool);
  draw();
  document.documentElement.dataset.ready = "yes";
  new ResizeObserver(redraw).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  addEventListener("beforeprint", () => { printing = true; readColours(); draw(); });
  addEventListener("afterprint", () => { printing = false; readColours(); draw(); });
}
start();
})();
