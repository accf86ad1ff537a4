// The page of the demo. What it shows is what the two apps and the censor say; it decides and invents nothing.
const token = location.hash.slice(1);
const SVG = "http://www.w3.org/2000/svg";
const FLASH_MS = 900;
const EVENTS_SHOWN = 60;
const SIDES = ["first", "second"];
const el = (id) => document.getElementById(id);

let known;
let state;
const edges = new Map(); // "Ada 203.0.113.10" → the parts of the line
const flashes = new Map(); // the same → when its colour goes
const labels = new Map(); // address → what it is called

function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
function say(key, values) {
  return fill(known.words[key] ?? key, values);
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "X-Demo": token, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

async function act(path, body) {
  try {
    show(await (await ask(path, body)).json());
  } catch {
    notice("gone");
  }
}

function notice(key) {
  el("notice").textContent = known ? say(key) : "The link on the terminal opens this page.";
  el("notice").hidden = false;
}

// -- what stands still ---------------------------------------------------------------------------------------

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function build() {
  document.documentElement.lang = known.language;
  document.title = say("title");
  el("title").textContent = say("title");
  el("lead").textContent = say("lead");
  el("real").textContent = say("real");
  el("map-title").textContent = say("map");
  el("events-title").textContent = say("events");
  el("panel-title").textContent = say("switches");
  el("talk-title").textContent = say("talk");
  el("cut").textContent = say("cut");
  el("cut").title = say("cut_does");
  el("lift").textContent = say("lift");
  for (const key of ["written", "arrived", "waits", "oldest", "lost", "doubled"]) {
    const one = element("div", { id: `count-${key}` });
    one.append(element("dt", {}, say(key)), element("dd", {}, "0"));
    el("counts").append(one);
  }
  known.people.forEach((person, at) => {
    const title = say("page_of", { name: person.name });
    const frame = element("iframe", { title, id: `frame-${at}`, name: `frame-${at}` });
    el(`person-${at}`).append(element("h2", {}, title), frame);
    void open(person, frame);
    el("ways").append(element("li"));
  });
  for (const one of known.switches) el("switches").append(card(one));
  el("talk").addEventListener("change", () => void act("/api/talk", { on: el("talk").checked }));
  el("cut").addEventListener("click", () => void act("/api/cut", {}));
  el("lift").addEventListener("click", async () => {
    for (const key of [...(state?.on ?? [])]) await act("/api/switch", { key, on: false });
  });
  draw();
}

/** Follow a link that works once, and when the page is there, open the chat. */
async function open(person, frame) {
  const { url, chat } = await (await ask("/api/link", { who: person.name })).json();
  let loads = 0;
  frame.addEventListener("load", () => {
    loads += 1;
    // The first is the step that takes the link's secret out of the address.
    if (loads === 2) frame.src = `${person.page}/#/chat/${chat}`;
  });
  frame.src = url;
}

function card(one) {
  const made = element("div", { class: "one", id: `switch-${one.key}` });
  const label = element("label", { class: "switch" });
  const input = element("input", { type: "checkbox", role: "switch", "aria-describedby": `about-${one.key}` });
  input.addEventListener("change", () => void act("/api/switch", { key: one.key, on: input.checked }));
  label.append(input, element("span", {}, one.title));
  const about = element("p", { id: `about-${one.key}` }, one.does);
  const where = element("p", {}, `${one.where} `);
  const link = element("a", { href: one.link, target: "_blank", rel: "noopener noreferrer" }, say("source"));
  link.setAttribute("aria-label", `${say("source")}: ${one.title}`);
  where.append(link, ` · ${say("measure", { name: one.measure })}`);
  made.append(label, about, where);
  return made;
}

// -- the map -------------------------------------------------------------------------------------------------

function part(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  el("map").append(made);
  return made;
}

function draw() {
  const places = [
    ...known.bridges.map((one, at) => ({ address: one.address, title: `${say("bridge")} ${at + 1}`, name: one.name })),
    ...known.relay.addresses.map((address, at) => ({ address, title: say("relay_by", { number: at + 1 }), name: known.relay.name })),
    ...known.resolvers.map((one, at) => ({ address: one.address, title: `${say("resolver")} ${at + 1}`, name: one.name, resolver: true })),
  ];
  // Bridges stand above, the relay between, resolvers below.
  const [top, step, height] = [36, 77, 52];
  const y = (at) => top + at * step;
  const [left, right, middle] = [48, 592, 320];
  const walls = [150, 490];
  known.people.forEach((person, side) => {
    const from = side ? right : left;
    const wall = walls[side];
    places.forEach((place, at) => {
      const near = 230 + step * 0 - 5 + (at - 2.5) * 22;
      const end = side ? middle + 96 : middle - 96;
      const d = `M ${from + (side ? -34 : 34)} 225 C ${wall} 225, ${wall} ${near}, ${wall} ${near} S ${(wall + end) / 2} ${y(at)}, ${end} ${y(at)}`;
      const line = part("path", { d, class: `edge ${SIDES[side]}`, id: `edge-${side}-${at}` });
      line.dataset.person = person.name;
      line.dataset.address = place.address;
      edges.set(`${person.name} ${place.address}`, { line, side });
    });
    part("rect", { x: wall - 9, y: 130, width: 18, height: 190, rx: 4, class: "wall", id: `wall-${side}` });
    part("text", { x: wall, y: 340, class: "small" }, say("border", { name: person.name }));
    part("circle", { cx: from, cy: 225, r: 32, class: "box" });
    part("text", { x: from, y: 230 }, person.name);
  });
  // What leads from a bridge to the relay lies beyond both borders.
  known.bridges.forEach((bridge, at) => {
    const bow = middle + 96 + 14;
    part("path", { d: `M ${middle + 96} ${y(at) + 12} C ${bow} ${y(at) + 20}, ${bow} ${y(2) - 20}, ${middle + 96} ${y(2) - 12}`, class: "edge beyond", id: `beyond-${at}` });
  });
  places.forEach((place, at) => {
    labels.set(place.address, place.title);
    const box = part("rect", { x: middle - 96, y: y(at) - height / 2, width: 192, height, rx: 9, class: "box" });
    box.dataset.place = place.address;
    part("text", { x: middle, y: y(at) - 8 }, place.title);
    part("text", { x: middle, y: y(at) + 6, class: "small" }, place.name);
    part("text", { x: middle, y: y(at) + 19, class: "small" }, place.address);
  });
}

// -- what moves ----------------------------------------------------------------------------------------------

function show(now) {
  state = now;
  el("talk").checked = now.talk;
  for (const one of known.switches) {
    const on = now.on.includes(one.key);
    el(`switch-${one.key}`).classList.toggle("on", on);
    el(`switch-${one.key}`).querySelector("input").checked = on;
  }
  for (const side of [0, 1]) el(`wall-${side}`).classList.toggle("closed", now.on.length > 0);
  for (const key of ["written", "arrived", "waits", "lost", "doubled"])
    el(`count-${key}`).querySelector("dd").textContent = now[key];
  el("count-oldest").querySelector("dd").textContent = say("seconds", { count: now.oldest.toFixed(1) });
  for (const key of ["lost", "doubled"]) el(`count-${key}`).classList.toggle("bad", now[key] > 0);
  const lit = new Set();
  known.people.forEach(({ name }, side) => {
    const person = now.people[name];
    for (const [key, { line }] of edges) {
      if (line.dataset.person !== name) continue;
      const here = line.dataset.address === person.to;
      line.classList.toggle("lit", here);
      line.classList.toggle("open", person.flows.includes(line.dataset.address));
      if (here) lit.add(person.to);
    }
    const line = el("ways").children[side];
    line.dataset.person = name;
    line.dataset.way = person.way ?? "";
    line.dataset.to = person.to ?? "";
    line.classList.toggle("none", !person.way);
    const looks = person.looks.map((word) => say(word));
    line.textContent = person.way
      ? [say("goes_by", { name, place: labels.get(person.to) ?? "?" }), ...looks].join(", ")
      : say("goes_nowhere", { name });
  });
  for (const box of el("map").querySelectorAll("[data-place]")) box.classList.toggle("lit", lit.has(box.dataset.place));
}

function happened(event) {
  const place = labels.get(event.place) ?? event.place;
  const words = { name: event.person, place };
  if (event.what === "asked") {
    tell(say("asked", { ...words, found: event.found.join(", ") || say("no_such") }), event.found.length ? "" : "bad");
    return;
  }
  const bad = ["lost", "reset", "silent"].includes(event.what);
  const why = known.switches.find((one) => one.key === event.why)?.title ?? (event.why === "cut" ? say("cut") : "");
  const text = say(event.what === "lost" ? "lost_packet" : event.what, words);
  tell(bad && why ? `${text} (${why})` : text, bad ? "bad" : event.what === "up" ? "good" : "");
  flash(`${event.person} ${event.place}`, bad ? "bad" : event.what === "tried" ? "try" : "");
}

function flash(key, kind) {
  const edge = edges.get(key);
  if (!edge) return;
  edge.line.classList.remove("try", "bad");
  if (!kind) return;
  edge.line.classList.add(kind);
  clearTimeout(flashes.get(key));
  flashes.set(key, setTimeout(() => edge.line.classList.remove(kind), FLASH_MS));
}

function tell(text, kind) {
  const list = el("events");
  const atTop = list.scrollTop < 4;
  const time = new Date().toLocaleTimeString(known.language, { hour12: false });
  list.prepend(element("li", kind ? { class: kind } : {}, `${time}  ${text}`));
  while (list.children.length > EVENTS_SHOWN) list.lastChild.remove();
  if (atTop) list.scrollTop = 0;
}

async function listen() {
  const answer = await ask("/api/events");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const { state: now, events } = JSON.parse(line);
      show(now);
      events.forEach(happened);
    }
  }
}

async function start() {
  try {
    known = await (await ask("/api/people")).json();
  } catch {
    notice("closed");
    return;
  }
  build();
  try {
    await listen();
  } catch {
    // told below
  }
  notice("gone");
}

void start();
