// Keys for the page. Without this script the page is plain forms, and everything but the keys works.
"use strict";

const $ = (id) => document.getElementById(id);
const answer = $("answer");
const labels = [...document.querySelectorAll("#labels .label")];
const several = $("labels").classList.contains("several");
const token = document.querySelector("[name=page]").value;
const guideline = document.querySelector("[name=guideline]").value;
const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
if (!sessionStorage.getItem("tab")) sessionStorage.setItem("tab", random());
const tab = sessionStorage.getItem("tab");

let items = JSON.parse($("state").textContent).items;
let busy = false; // something is on its way to the disk
let changing = null; // the text whose earlier answer may be replaced
let seen = 0; // milliseconds that the text was on the screen
let since = performance.now();

// A second tab must show other texts: a tab that was duplicated has its twin's name.
if ("BroadcastChannel" in window) {
  const channel = new BroadcastChannel("labelrounds");
  const me = random();
  channel.onmessage = (event) => {
    if (event.data.tab === tab && event.data.me !== me && !event.data.taken) channel.postMessage({ tab, me, taken: true, to: event.data.me });
    if (event.data.taken && event.data.to === me) {
      sessionStorage.setItem("tab", random());
      location.reload();
    }
  };
  channel.postMessage({ tab, me });
}

// What is shown

function say(words) {
  $("say").textContent = words;
}

function tell(words) {
  $("told").textContent = words;
  $("told").hidden = !words;
}

function names(given) {
  return given.length ? given.join(", ") : "no label";
}

function show() {
  const item = items[0];
  answer.hidden = !item;
  $("empty").hidden = Boolean(item);
  seen = 0;
  since = performance.now();
  for (const label of labels) {
    label.classList.remove("pressed", "chosen", "found");
    label.hidden = false;
    if (several) label.firstElementChild.checked = Boolean(item && item.given && item.given.includes(label.dataset.label));
    else if (item && item.given && item.given.includes(label.dataset.label)) label.classList.add("chosen");
  }
  $("search").value = "";
  $("skip").open = false;
  if (!item) return;
  $("id").value = item.id;
  $("text").textContent = item.text;
  $("text").classList.toggle("long", item.text.length > 600);
  $("text").scrollTop = 0;
  $("note").value = item.note;
  $("suggestion").hidden = item.suggestion === null || item.given !== null;
  $("suggested").textContent = item.suggestion === null ? "" : names(item.suggestion);
  $("confidence").textContent = item.confidence ? `(${item.confidence})` : "";
  $("before").hidden = item.given === null;
  $("given").textContent = item.given === null ? "" : names(item.given);
  $("said").hidden = !item.said.length;
  $("opinions").replaceChildren(...item.said.map(([who, label, note]) => opinion(who, label, note)));
  $("text").focus({ preventScroll: true });
}

function opinion(who, label, note) {
  const line = document.createElement("li");
  for (const [kind, words] of [["b", who], ["span", label], ["span", note]]) {
    const part = document.createElement(kind);
    part.dir = "auto";
    part.textContent = words;
    line.append(part, kind === "b" ? ": " : " ");
  }
  line.children[1].className = "tag";
  return line;
}

function apply(state) {
  if (state.over) return location.reload();
  const before = items[0] && items[0].id;
  items = state.items;
  changing = null;
  const { total, done, left, elsewhere, mine, perMinute } = state.progress;
  $("bar").max = total;
  $("bar").value = done;
  $("done").textContent = `${done} of ${total} labelled`;
  $("left").textContent = `${left} left for you`;
  $("mine").textContent = `${mine} by you`;
  $("speed").textContent = perMinute ? ` · ${perMinute} a minute` : "";
  $("elsewhere").textContent = elsewhere ? `Others have ${elsewhere} texts on their pages. Load this page again in a while.` : "";
  $("stale").hidden = state.guideline === guideline;
  if (!items[0] || items[0].id !== before || !items[0].id || items[0].given) show();
}

// What is sent: a press counts once the server has it on disk, and is sent again until it has

async function send(path, fields, words) {
  if (busy) return;
  busy = true;
  document.body.classList.add("waiting");
  const body = new URLSearchParams([["page", token], ["tab", tab], ["key", random()], ["guideline", guideline], ...fields]);
  for (let tries = 0; ; tries++) {
    try {
      const reply = await fetch(path, { method: "POST", body, headers: { Accept: "application/json" } });
      const state = await reply.json();
      if (reply.ok) {
        tell("");
        say(words);
        apply(state);
        break;
      }
      if (![429, 503, 507].includes(reply.status)) {
        refused(state);
        break;
      }
      tell(state.error);
    } catch {
      tell("Not kept yet: the server does not answer. This page tries again by itself; leave it open.");
    }
    await new Promise((done) => setTimeout(done, Math.min(200 * 2 ** tries, 3000)));
  }
  busy = false;
  document.body.classList.remove("waiting");
}

function refused(state) {
  if (state.before) {
    const given = state.before.skipped ? "skipped it" : `said: ${names(state.before.labels)}`;
    tell(`In another tab you ${given}. That stands, unless you choose again. Escape goes on.`);
    changing = { id: state.before.id, next: state.state };
  } else {
    tell(state.error);
    if (state.state) apply(state.state);
  }
}

function spent() {
  const now = document.hidden ? 0 : performance.now() - since;
  return ((seen + now) / 1000).toFixed(1);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) seen += performance.now() - since;
  since = performance.now();
});

window.addEventListener("beforeunload", (event) => {
  if (busy) event.preventDefault();
});

function about() {
  const fields = [["id", items[0].id], ["seconds", spent()], ["note", $("note").value]];
  return changing ? [...fields, ["change", "1"]] : fields;
}

function give(given) {
  if (!items[0] || busy) return;
  for (const label of labels) label.classList.toggle("pressed", given.includes(label.dataset.label));
  const chosen = given.length ? given.map((label) => ["label", label]) : [["none", "1"]];
  send("/label", [...about(), ...chosen], `Kept: ${names(given)}.`);
}

function skip(reason) {
  if (items[0]) send("/skip", [...about(), ["reason", reason]], "Skipped.");
}

function undo() {
  const before = JSON.stringify(items.map((item) => item.id));
  send("/undo", [], "Taken back.").then(() => {
    if (before === JSON.stringify(items.map((item) => item.id))) tell("There is nothing to take back.");
  });
}

function chosen() {
  return labels.filter((label) => label.firstElementChild.checked).map((label) => label.dataset.label);
}

function press(label) {
  if (!several) return give([label.dataset.label]);
  label.firstElementChild.checked = !label.firstElementChild.checked;
  say(`${label.dataset.label} ${label.firstElementChild.checked ? "chosen" : "not chosen"}`);
}

function accept() {
  const item = items[0];
  if (!item) return;
  const given = several && chosen().length ? chosen() : item.given !== null ? item.given : item.suggestion;
  if (given === null) return tell(several ? "Choose labels first, or press - if none fits." : "There is no suggestion here. Press the key of a label.");
  if (several && item.given && !chosen().length) return tell("Choose labels first, or press - if none fits.");
  give(given);
}

// Clicks and keys

answer.addEventListener("submit", (event) => {
  event.preventDefault();
  const by = event.submitter;
  if (!by || busy) return;
  if (by.id === "undo") undo();
  else if (by.id === "none") give([]);
  else if (by.id === "save") accept();
  else if (by.name === "reason") skip(by.value);
  else if (by.name === "label") give([by.value]);
});

$("undo-empty").addEventListener("click", (event) => {
  event.preventDefault();
  undo();
});

function found() {
  const words = $("search").value.trim().toLowerCase();
  for (const label of labels) {
    label.hidden = !label.dataset.label.toLowerCase().includes(words);
    label.classList.remove("found");
  }
  const open = labels.filter((label) => !label.hidden);
  const exact = open.find((label) => label.dataset.label.toLowerCase() === words);
  const first = exact || open.find((label) => label.dataset.label.toLowerCase().startsWith(words)) || open[0];
  if (words && first) first.classList.add("found");
  say(words ? `${open.length} labels${first ? `, the first is ${first.dataset.label}` : ""}` : "");
  return words ? first : undefined;
}

$("search").addEventListener("input", found);
$("search").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  event.stopPropagation();
  const first = event.key === "Enter" && found();
  $("search").value = "";
  found();
  $("text").focus({ preventScroll: true });
  if (first) press(first);
});

$("note").addEventListener("keydown", (event) => {
  if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
  event.preventDefault();
  event.stopPropagation();
  $("text").focus({ preventScroll: true });
});

// The character that a key stands for, whatever the keyboard: on a Cyrillic one, KeyA is "a"; on a French one, Digit1 is "1".
function characters(event) {
  const place = /^(?:Key([A-Z])|(?:Digit|Numpad)([0-9]))$/.exec(event.code || "");
  return [event.key.toLowerCase(), ...(place ? [(place[1] || place[2]).toLowerCase()] : [])];
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  const at = event.target;
  if (at.matches("input:not([type=checkbox]), textarea, select")) return;
  if (event.key === "Enter" || event.key === " ") {
    if (event.key === " " || at.matches("button, a, summary")) return; // what has the focus is pressed
    event.preventDefault();
    return accept();
  }
  const typed = characters(event);
  if (event.key === "Escape") {
    if (changing) {
      tell("");
      apply(changing.next);
    }
    $("skip").open = false;
    return $("text").focus({ preventScroll: true });
  }
  if ($("skip").open) {
    const reason = document.querySelectorAll("[name=reason]")[Number(typed[typed.length - 1]) - 1];
    if (reason) {
      event.preventDefault();
      return skip(reason.value);
    }
  }
  const label = typed.map((key) => labels.find((one) => one.dataset.key === key)).find(Boolean);
  const own = { u: undo, s: () => openSkip(), n: () => $("note").focus(), "/": () => openSearch(), "?": () => ($("help").open = !$("help").open) };
  if (several) own["-"] = () => give([]);
  const act = label ? () => press(label) : typed.map((key) => own[key]).find(Boolean);
  if (!act) return;
  event.preventDefault();
  act();
});

function openSkip() {
  $("skip").open = true;
  say("Why is this text skipped? 1 unclear, 2 not my language, 3 broken, 4 another reason. Escape goes back.");
}

function openSearch() {
  $("search-line").hidden = false;
  $("search").focus();
}

// The state of this very tab, then the keys may begin
busy = true;
fetch(`/state?tab=${tab}`, { headers: { Accept: "application/json" } })
  .then((reply) => (reply.ok ? reply.json() : Promise.reject(reply)))
  .then((state) => {
    items = [];
    apply(state);
  })
  .catch(() => tell("The server does not answer. Load the page again."))
  .finally(() => {
    busy = false;
    document.body.dataset.ready = "yes";
  });
