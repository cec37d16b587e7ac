"use strict";
// Browsing rows, and filling in the review. Without it the page shows everything at once.

const PAGE = 10;
const QUESTIONS = ["task", "input", "output"];
const find = (selector, root = document) => [...root.querySelectorAll(selector)];

// A long text that scrolls in its field is within reach of the keyboard.
const reachable = (row) => {
  for (const text of find(".fields dd", row)) {
    if (text.scrollHeight <= text.clientHeight) continue;
    text.tabIndex = 0;
    text.setAttribute("aria-label", `${text.previousElementSibling.textContent}, a long text that scrolls`);
  }
};

// ---- lists: search, reasons, more

class List {
  constructor(element) {
    this.rows = find(":scope > .row", element);
    this.reason = "";
    this.words = "";
    this.most = PAGE;
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "next";
    this.button.addEventListener("click", () => { this.most += PAGE; this.show(); });
    element.after(this.button);
    this.show();
  }

  show() {
    const wanted = this.rows.filter((row) =>
      (!this.reason || row.dataset.reason === this.reason) &&
      (!this.words || row.textContent.toLowerCase().includes(this.words)));
    const visible = new Set(wanted.slice(0, this.most));
    for (const row of this.rows) row.hidden = !visible.has(row);
    const rest = wanted.length - visible.size;
    this.button.hidden = rest === 0;
    this.button.textContent = `Show ${Math.min(PAGE, rest)} more of ${rest}`;
    for (const row of visible) reachable(row);
  }

  reveal(row) {
    while (row.hidden && !this.button.hidden) { this.most += PAGE; this.show(); }
  }
}

const lists = new Map(find(".rows").map((element) => [element.id, new List(element)]));

for (const input of find("[data-search]")) {
  const list = lists.get(input.dataset.search);
  input.closest("p").hidden = list.rows.length <= PAGE;
  input.addEventListener("input", () => {
    list.words = input.value.toLowerCase();
    list.most = PAGE;
    list.show();
  });
}

for (const chips of find("[data-filter]")) {
  chips.hidden = false;
  const buttons = find("button", chips);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const list = lists.get(chips.dataset.filter);
      list.reason = button.dataset.reason;
      list.most = PAGE;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      list.show();
    });
  }
}

// ---- what a slice is

const pointed = document.getElementById("pointed");
if (pointed) {
  pointed.hidden = false;
  for (const slice of find(".slice")) {
    slice.addEventListener("pointerenter", () => { pointed.textContent = slice.textContent; });
  }
}

// ---- light and dark

const theme = document.getElementById("theme");
const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.hidden = false;
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
nameTheme();

// ---- the review

const review = document.getElementById("review");
const sheet = lists.get("review-rows").rows;
const KEY = `selfinstruct-review-${review.dataset.run}`;
document.getElementById("sheet").hidden = sheet.length === 0;

const answerOf = (row, question) => {
  const chosen = row.querySelector(`[data-question="${question}"] input:checked`);
  return chosen ? chosen.value === "yes" : null;
};

const answers = () => sheet.map((row) => ({
  id: row.dataset.id,
  ...Object.fromEntries(QUESTIONS.map((question) => [question, answerOf(row, question)])),
}));

const wilson = (yes, count) => {
  const z = 1.959963984540054;
  const share = yes / count;
  const centre = share + z * z / (2 * count);
  const half = z * Math.sqrt((share * (1 - share) + z * z / (4 * count)) / count);
  const scale = 1 + z * z / count;
  return [(centre - half) / scale, (centre + half) / scale].map((value) => Math.min(1, Math.max(0, value)));
};

const tally = () => {
  const given = answers();
  for (const line of find("#tally tbody tr")) {
    const question = line.dataset.question;
    const verdicts = given.map((each) => {
      if (question !== "all") return each[question];
      const values = QUESTIONS.map((key) => each[key]);
      return values.includes(false) ? false : values.includes(null) ? null : true;
    }).filter((value) => value !== null);
    const yes = verdicts.filter(Boolean).length;
    const cells = find("td", line);
    cells[0].textContent = yes;
    cells[1].textContent = verdicts.length;
    if (verdicts.length) {
      const [low, high] = wilson(yes, verdicts.length).map((value) => (100 * value).toFixed(0));
      cells[2].textContent = `${(100 * yes / verdicts.length).toFixed(0)} % (${low} to ${high})`;
    } else {
      cells[2].textContent = "–";
    }
  }
};

const restore = (given) => {
  const rows = new Map(sheet.map((row) => [row.dataset.id, row]));
  for (const each of given) {
    const row = rows.get(each.id);
    if (!row) continue;
    for (const question of QUESTIONS) {
      for (const input of find(`[data-question="${question}"] input`, row)) {
        input.checked = typeof each[question] === "boolean" && each[question] === (input.value === "yes");
      }
    }
  }
  tally();
};

const keep = () => {
  try { localStorage.setItem(KEY, JSON.stringify(answers())); } catch { /* a browser may refuse files a memory */ }
};

const save = (text, type, ending) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `review-${review.dataset.run.slice(0, 8)}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

// A leading apostrophe keeps a spreadsheet from reading a text as a formula.
const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
const word = (answer) => (answer === null ? "" : answer ? "yes" : "no");

document.getElementById("save-json").addEventListener("click", () => {
  save(JSON.stringify({ run: review.dataset.run, answers: answers() }, null, 1), "application/json", "json");
});

document.getElementById("save-csv").addEventListener("click", () => {
  const lines = [["id", ...QUESTIONS, "instruction", "given input", "given output"].join(",")];
  for (const [at, each] of answers().entries()) {
    const row = sheet[at];
    const texts = ["input", "output"].map((name) => {
      const term = find("dt", row).find((element) => element.textContent.toLowerCase() === name);
      return term ? term.nextElementSibling.textContent : "";
    });
    const instruction = row.querySelector(".instruction").textContent;
    lines.push([cell(each.id), ...QUESTIONS.map((key) => word(each[key])), ...[instruction, ...texts].map(cell)].join(","));
  }
  save("\ufeff" + lines.join("\r\n") + "\r\n", "text/csv", "csv");
});

document.getElementById("load").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  try {
    const data = JSON.parse(await file.text());
    if (data.run !== review.dataset.run) throw new Error("it was filled in for another run");
    restore(data.answers);
    keep();
  } catch (error) {
    alert(`${file.name} cannot be loaded: ${error.message}`);
  }
  event.target.value = "";
});

review.addEventListener("change", (event) => {
  if (event.target.type === "radio") { tally(); keep(); }
});

// ---- answers by keys: only while they are switched on, so that a letter does nothing unawares

const keys = document.getElementById("keys");
const asked = document.getElementById("asked");
const answered = []; // what was answered by keys, for taking back
let at = 0; // of all questions of all rows

const place = (position) => [sheet[Math.floor(position / QUESTIONS.length)], QUESTIONS[position % QUESTIONS.length]];

const ask = (position) => {
  for (const old of find("fieldset.now", review)) old.classList.remove("now");
  at = Math.max(0, Math.min(position, sheet.length * QUESTIONS.length - 1));
  const [row, question] = place(at);
  lists.get("review-rows").reveal(row);
  const field = row.querySelector(`[data-question="${question}"]`);
  field.classList.add("now");
  row.scrollIntoView({ block: "center" });
  const number = sheet.indexOf(row) + 1;
  asked.textContent = `Row ${number} of ${sheet.length}: ${field.querySelector("legend").textContent} Y yes, N no, S skip, U take back, Escape ends.`;
};

const firstOpen = (from) => {
  const last = sheet.length * QUESTIONS.length;
  for (let position = from; position < last; position++) if (answerOf(...place(position)) === null) return position;
  return last - 1;
};

const switchKeys = (on) => {
  keys.setAttribute("aria-pressed", String(on));
  if (on) { ask(firstOpen(0)); return; }
  for (const old of find("fieldset.now", review)) old.classList.remove("now");
  asked.textContent = "";
};

const answer = (value) => {
  const [row, question] = place(at);
  const inputs = find(`[data-question="${question}"] input`, row);
  for (const input of inputs) input.checked = value !== null && input.value === value;
  tally();
  keep();
};

keys.addEventListener("click", () => switchKeys(keys.getAttribute("aria-pressed") === "false"));

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=radio]), textarea");
  if (keys.getAttribute("aria-pressed") === "false" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "y" || key === "n") {
    answer(key === "y" ? "yes" : "no");
    answered.push(at);
    ask(firstOpen(at + 1));
  } else if (key === "s") {
    ask(at + 1);
  } else if (key === "u" && answered.length) {
    ask(answered.pop());
    answer(null);
  } else if (key === "escape") {
    switchKeys(false);
    keys.focus();
  } else {
    return;
  }
  event.preventDefault();
});

try { restore(JSON.parse(localStorage.getItem(KEY) || "[]")); } catch { /* nothing was kept */ }
