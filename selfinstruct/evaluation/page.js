// The page on which people rate responses. Nothing leaves the browser: state lives in localStorage, one entry for each
// rater, and goes out as a file. All text of models and tasks is set as text, never as HTML.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const LEVELS = Object.keys(data.levels);
const total = data.tasks.reduce((sum, task) => sum + task.responses.length, 0);
const storage = `selfinstruct-ratings/${data.page}`;

let rater = "";
let slots = []; // every response in this rater's order: {task, response, place, of}
let at = 0;
let state = { ratings: {}, history: [] };

const find = (id) => document.getElementById(id);

// --- this rater's order

function numbers(text) {
  // A stream of numbers in [0, 1) under a text: FNV-1a for the seed, then mulberry32.
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) seed = Math.imul(seed ^ byte, 0x01000193);
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let word = Math.imul(seed ^ (seed >>> 15), seed | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(items, next) {
  const copy = items.slice();
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(next() * (last + 1));
    [copy[last], copy[other]] = [copy[other], copy[last]];
  }
  return copy;
}

function order(name) {
  const next = numbers(`${data.seed}/${name}`);
  return shuffled(data.tasks, next).flatMap((task, number) =>
    shuffled(task.responses, next).map((response, place) => ({ task, number, response, place })));
}

// --- state

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function load(name) {
  let kept = null;
  try {
    kept = JSON.parse(stored(`${storage}/${name}`));
  } catch {
    // an entry that something else wrote: begin anew
  }
  state = kept && kept.ratings && Array.isArray(kept.history) ? kept : { ratings: {}, history: [] };
}

function save() {
  try {
    localStorage.setItem(`${storage}/${rater}`, JSON.stringify(state));
    localStorage.setItem(storage, rater);
    return true;
  } catch {
    warn("This browser keeps nothing for this page. Export before you close it, or the ratings are lost.");
    window.onbeforeunload = () => "";
    return false;
  }
}

function warn(text) {
  find("notice").textContent = text;
  find("notice").hidden = false;
}

const rated = (slot) => state.ratings[slot.response.id];
const count = () => slots.filter(rated).length;

// --- what raters do

function begin(name) {
  rater = name;
  load(name);
  slots = order(name);
  const first = slots.findIndex((slot) => !rated(slot));
  at = first < 0 ? 0 : first;
  find("start").hidden = true;
  find("work").hidden = false;
  save();
  show();
}

function rate(level) {
  const id = slots[at].response.id;
  state.history.push([id, state.ratings[id] ?? null]);
  state.ratings[id] = level;
  save();
  const said = `Rated ${level}.`;
  const ahead = slots.findIndex((slot, place) => place > at && !rated(slot));
  const open = ahead < 0 ? slots.findIndex((slot) => !rated(slot)) : ahead;
  if (open >= 0) at = open;
  show(said);
}

function undo() {
  const last = state.history.pop();
  if (!last) return;
  const [id, before] = last;
  if (before === null) delete state.ratings[id];
  else state.ratings[id] = before;
  save();
  at = Math.max(0, slots.findIndex((slot) => slot.response.id === id));
  show("Undone.");
}

function move(step) {
  at = Math.min(slots.length - 1, Math.max(0, at + step));
  show();
}

function exportRatings() {
  const content = { format: "selfinstruct-ratings/1", kind: "person", rater, page: data.page, total, ratings: state.ratings };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = `ratings-${rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  find("spoken").textContent = `${count()} ratings exported.`;
}

function leave() {
  find("work").hidden = true;
  find("start").hidden = false;
  find("name").value = "";
  find("name").focus();
}

// --- what raters see

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function textBlock(text) {
  const block = element("div", text.trim() ? "text" : "text none", text.trim() ? text : "(an empty response)");
  block.dir = "auto";
  return block;
}

function show(said = "") {
  const { task, number } = slots[at];
  const siblings = slots.filter((slot) => slot.task === task);
  find("rater").textContent = `Rater: ${rater}`;
  find("progress").max = total;
  find("progress").value = count();
  find("position").textContent =
    `${count()} of ${total} responses rated, task ${number + 1} of ${data.tasks.length}`;
  find("undo").disabled = state.history.length === 0;
  find("back").disabled = at === 0;
  find("forth").disabled = at === slots.length - 1;
  find("done").hidden = count() < total;

  find("instruction").textContent = task.instruction;
  find("input").textContent = task.input;
  find("input-block").hidden = !task.input;
  find("targets").replaceChildren(...task.targets.map(textBlock));
  find("target-block").hidden = task.targets.length === 0;
  find("responses").replaceChildren(...siblings.map((slot) => card(slot, siblings.length)));

  for (const button of find("choices").children)
    button.setAttribute("aria-pressed", String(rated(slots[at]) === button.dataset.level));
  const where = `Task ${number + 1}, response ${slots[at].place + 1} of ${siblings.length}.`;
  find("spoken").textContent = count() === total ? `${said} Everything is rated.` : `${said} ${where}`;
  if (slots[at].place === 0 || (said && count() === total)) window.scrollTo(0, 0);
  else find("responses").querySelector("[aria-current]").scrollIntoView({ block: "nearest" });
}

function card(slot, of) {
  const item = element("li", "card");
  const heading = element("h2", "", `Response ${slot.place + 1} of ${of}`);
  const level = rated(slot);
  if (level) heading.prepend(element("span", `level ${level}`, level));
  item.append(heading, textBlock(slot.response.text));
  if (slot === slots[at]) item.setAttribute("aria-current", "true");
  item.addEventListener("click", () => {
    if (slot === slots[at] || String(getSelection())) return;
    at = slots.indexOf(slot);
    show();
  });
  return item;
}

function prepare() {
  find("amount").textContent = `${total} responses to ${data.tasks.length} tasks`;
  LEVELS.forEach((level, number) => {
    const line = element("li");
    line.append(element("span", `level ${level}`, level), element("span", "", data.levels[level]));
    find("explained").append(line);
    const button = element("button");
    button.type = "button";
    button.dataset.level = level;
    button.append(
      element("span", `level ${level}`, level),
      element("span", "", data.levels[level]),
      element("kbd", "key", String(number + 1)),
    );
    button.addEventListener("click", () => rate(level));
    find("choices").append(button);
  });
  find("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = find("name").value.trim();
    if (name) begin(name);
  });
  find("undo").addEventListener("click", undo);
  find("export").addEventListener("click", exportRatings);
  find("export-done").addEventListener("click", exportRatings);
  find("change").addEventListener("click", leave);
  find("back").addEventListener("click", () => move(-1));
  find("forth").addEventListener("click", () => move(1));
  document.addEventListener("keydown", pressed);
  window.addEventListener("storage", (event) => {
    if (rater && event.key === `${storage}/${rater}` && event.newValue) {
      load(rater); // another tab of the same rater
      show();
    }
  });
}

function pressed(event) {
  if (find("work").hidden || event.repeat || event.altKey || event.target instanceof HTMLInputElement) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "z") undo();
    return;
  }
  const actions = { u: undo, e: exportRatings, ArrowLeft: () => move(-1), ArrowRight: () => move(1) };
  LEVELS.forEach((level, number) => {
    actions[String(number + 1)] = () => rate(level);
  });
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

prepare();
const last = stored(storage);
if (last) begin(last);
else {
  find("start").hidden = false;
  find("name").focus();
}
