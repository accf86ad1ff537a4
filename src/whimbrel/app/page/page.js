// Shows how things stand, again every few seconds. Everything that others wrote goes in as text, never as markup.
const place = (id) => document.getElementById(id);

// The link brings the second secret behind the #, once. It is kept for this origin, where only this page can read it.
if (location.hash.length > 1) {
  localStorage.setItem("whimbrel", location.hash.slice(1));
  history.replaceState(null, "", "/");
}
const secret = localStorage.getItem("whimbrel") ?? "";

// The items that answer one call of the client, or an error with the client's own words.
async function call(method, params = {}) {
  const response = await fetch(`/api/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Whimbrel": secret },
    body: JSON.stringify(params),
  });
  if (!response.ok) throw new Error("This page is from an earlier run of Whimbrel. Open the newest link.");
  const items = [];
  for (const line of (await response.text()).split("\n").filter(Boolean)) {
    const answer = JSON.parse(line);
    if (answer.error) throw new Error(`${answer.error.message} ${answer.error.do}`);
    if (answer.item) items.push(answer.item);
  }
  return items;
}

function inWords(value) {
  if (value === null || value === undefined) return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (Array.isArray(value)) return value.length ? value.map(inWords).join("; ") : "none";
  if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${k}: ${inWords(v)}`).join(", ");
  return /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value).toLocaleString() : String(value);
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function showFacts(status) {
  const rows = Object.entries(status).flatMap(([name, value]) => [
    element("dt", name.replaceAll("_", " ")),
    element("dd", inWords(value)),
  ]);
  place("facts").replaceChildren(...rows);
}

function showChats(chats) {
  const rows = chats.map((chat) => {
    const row = document.createElement("li");
    const news = chat.unread ? `${chat.unread} new` : "";
    row.append(element("bdi", chat.name), element("span", news));
    return row;
  });
  place("chats").replaceChildren(...rows);
  place("no-chats").hidden = chats.length > 0;
}

async function look() {
  try {
    const [status] = await call("status");
    showFacts(status);
    showChats(await call("chats"));
    place("line").textContent = status.ways.some((way) => way.up)
      ? "Messages come and go by themselves while it runs."
      : "There is no way to a relay now. What you send waits, and goes by itself when there is one.";
  } catch (error) {
    place("line").textContent =
      error instanceof TypeError ? "Whimbrel does not answer. It has been ended, or is starting again." : error.message;
  }
  setTimeout(look, 5000);
}

look();
