// The page of the demo. What it shows is what the two apps and the censor say; it decides and invents nothing.
const token = location.hash.slice(1);
const SVG = "http://www.w3.org/2000/svg";
const FLASH_MS = 900;
const EVENTS_SHOWN = 60;
const SIDES = ["first", "second"];
// What came of an ordinary program's try, where the catalogue has another word for it.
const OUTCOMES = { silent: "silent-here", reset: "torn" };
const el = (id) => document.getElementById(id);

let known;
let state;
let underWay = 0; // what was pressed and not answered yet: until then a switch stands as it was pressed
const edges = new Map(); // "Ada 203.0.113.10" → the line on the map
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
  underWay += 1;
  try {
    const answer = await (await ask(path, body)).json();
    underWay -= 1;
    show(answer);
  } catch {
    underWay -= 1;
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
  el("ways").append(element("li", { class: "ordinary" }));
  el("events").append(element("li", { class: "none-yet" }, say("no_events")));
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
  ];
  const [height, step, middle, half] = [58, 72, 320, 104];
  const y = (at) => 36 + at * step;
  const heart = y((places.length - 1) / 2);
  const [ends, walls] = [[40, 600], [136, 504]];
  known.people.forEach((person, side) => {
    const out = side ? -1 : 1;
    places.forEach((place, at) => {
      const gap = heart + (at - (places.length - 1) / 2) * 26;
      const [start, wall, end] = [ends[side] + 34 * out, walls[side], middle - half * out];
      const before = `M ${start} ${heart} C ${start + 34 * out} ${heart}, ${wall - 34 * out} ${gap}, ${wall} ${gap}`;
      const behind = `C ${wall + 40 * out} ${gap}, ${end - 40 * out} ${y(at)}, ${end} ${y(at)}`;
      const line = part("path", { d: `${before} ${behind}`, class: `edge ${SIDES[side]}`, id: `edge-${side}-${at}` });
      line.dataset.person = person.name;
      line.dataset.address = place.address;
      edges.set(`${person.name} ${place.address}`, line);
    });
    part("rect", { x: walls[side] - 8, y: heart - 84, width: 16, height: 168, rx: 4, class: "wall", id: `wall-${side}` });
    const label = { x: walls[side] + 8 * out, y: heart + 104, class: `small ${side ? "after" : "before"}` };
    part("text", label, say("border", { name: person.name }));
    part("circle", { cx: ends[side], cy: heart, r: 33, class: "box" });
    part("text", { x: ends[side], y: heart + 5 }, person.name);
  });
  places.forEach((place, at) => {
    labels.set(place.address, place.title);
    const box = part("rect", { x: middle - half, y: y(at) - height / 2, width: 2 * half, height, rx: 10, class: "box" });
    box.dataset.place = place.address;
    part("text", { x: middle, y: y(at) - 9 }, place.title);
    part("text", { x: middle, y: y(at) + 7, class: "small" }, place.name);
    part("text", { x: middle, y: y(at) + 21, class: "small" }, place.address);
  });
  for (const one of known.resolvers) labels.set(one.address, `${say("resolver")} ${one.name}`);
}

// -- what moves ----------------------------------------------------------------------------------------------

function show(now) {
  state = now;
  if (!underWay) el("talk").checked = now.talk;
  for (const one of known.switches) {
    const on = now.on.includes(one.key);
    el(`switch-${one.key}`).classList.toggle("on", on || now.on.includes("everything"));
    if (!underWay) el(`switch-${one.key}`).querySelector("input").checked = on;
  }
  for (const side of [0, 1]) el(`wall-${side}`).classList.toggle("closed", now.on.length > 0);
  for (const key of ["written", "arrived", "waits", "lost", "doubled"])
    el(`count-${key}`).querySelector("dd").textContent = now[key];
  el("count-oldest").querySelector("dd").textContent = say("seconds", { count: now.oldest.toFixed(1) });
  for (const key of ["lost", "doubled"]) el(`count-${key}`).classList.toggle("bad", now[key] > 0);
  const lit = new Set();
  known.people.forEach(({ name }, side) => {
    const person = now.people[name];
    for (const line of edges.values()) {
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
  const ordinary = el("ways").children[known.people.length];
  const { outcome, took } = now.ordinary;
  ordinary.dataset.outcome = outcome ?? "";
  ordinary.dataset.took = took;
  ordinary.hidden = !outcome;
  const came = say(OUTCOMES[outcome] ?? outcome ?? "", { took: took.toFixed(1) });
  ordinary.textContent = say("ordinary", { outcome: came });
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
  const line = edges.get(key);
  if (!line) return;
  line.classList.remove("try", "bad");
  if (!kind) return;
  line.classList.add(kind);
  clearTimeout(flashes.get(key));
  flashes.set(key, setTimeout(() => line.classList.remove(kind), FLASH_MS));
}

function tell(text, kind) {
  const list = el("events");
  const atTop = list.scrollTop < 4;
  list.querySelector(".none-yet")?.remove();
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
