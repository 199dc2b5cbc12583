// The review page. What is decided is kept by the command that serves it, which sends it when the next one is made.

import { Frame, keep, load } from "/static/picture.js";

const REASONS = [
  "Clearly one person",
  "Looks have changed",
  "Clearly two persons",
  "Alike, yet two",
  "Covered or blurred",
  "Photo of a photo",
];
const BY_ITSELF = { PASS: "Same person", REJECT: "Different persons", RETAKE: "Picture not usable" };
const SAID = { PASS: "passed", REJECT: "rejected", RETAKE: "to be taken again" };
const REFRESH = 20_000; // milliseconds: renews what this page holds, and looks for what is new

const $ = (id) => document.getElementById(id);
const token = document.querySelector('meta[name="page-token"]').content;
const frames = { first: new Frame($("first"), "first"), second: new Frame($("second"), "second") };

let state = { pairs: [], waiting: 0, at_least: false, pending: null, unsent: 0, recorded: 0 };
let current = null; // the pair that is looked at
let whole = false;
let gone = false; // it is not to be decided any more
let leaving = new Set(); // pairs that are decided or skipped, as long as the command does not know
let asking = Promise.resolve(); // one request after the other
let busy = 0; // requests under way
let ended = false;

// --- what the command is asked -------------------------------------------------------------------------------------

function ask(path, body = {}) {
  busy += 1;
  // One that fails must not keep the next from being asked.
  asking = asking.then(() => post(path, body)).catch((error) => problem(`The page met an error: ${error}.`)).then(() => {
    busy -= 1;
    if (!current) empty();
  });
  return asking;
}

async function post(path, body) {
  if (ended) return;
  let answer, told;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Page-Token": token },
      body: JSON.stringify(body),
    });
    told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
  } catch (error) {
    if (answer) problem(error.message);
    else end();
    return;
  }
  leaving.delete(body.pair_id);
  take(told);
}

/** The command's newest state. */
function take(told) {
  state = told;
  problem(told.problem);
  notice(told.notices.join(" "));
  const pairs = queue();
  keep(new Set(told.pairs.flatMap((pair) => [pair.first.address, pair.second.address])));
  for (const pair of pairs.slice(0, 3)) [load(pair.first), load(pair.second)];
  const still = current && told.pairs.find((pair) => pair.address === current.address);
  if (told.taken_back) show(pairs.find((pair) => pair.pair_id === told.taken_back) ?? pairs[0]);
  else if (current && !still && !gone && !told.problem) vanish();
  else if (!current && !leaving.size) show(pairs[0]);
  count();
}

function queue() {
  return state.pairs.filter((pair) => !leaving.has(pair.pair_id));
}

// --- what is shown ------------------------------------------------------------------------------------------------

function show(pair) {
  current = pair ?? null;
  gone = false;
  $("gone").hidden = true;
  for (const part of ["work", "decisions", "view"]) $(part).hidden = !current;
  $("empty").hidden = Boolean(current);
  $("pair").textContent = current ? current.pair_id : "";
  $("pair").title = $("pair").textContent;
  which(false);
  reason("");
  if (!current) return empty();
  for (const role of ["first", "second"]) frames[role].show(current[role], whole);
  $("similarity").textContent = current.similarity;
  scale(current.similarity, current.policy);
  announce(`Pair ${current.pair_id}, ${current.similarity} similar.`);
}

function empty() {
  const [title, text] = state.problem
    ? ["There is nothing to show", "What keeps it is said above."]
    : busy
    ? ["One moment", "The next pairs are on their way."]
    : left() > 0
    ? ["Others have the rest", "Pairs that wait are before other reviewers. What they leave comes here by itself."]
    : ["Nothing waits", "Every pair is decided. New ones come here by themselves."];
  $("empty").querySelector("h2").textContent = title;
  $("empty").querySelector("p").textContent = text;
}

function scale(similarity, { reject_below: low, pass_above: high }) {
  $("scale").style.setProperty("--low", `${low}%`);
  $("scale").style.setProperty("--high", `${high}%`);
  $("needle").style.left = `${similarity}%`;
  $("reject-below").textContent = `reject below ${low}`;
  $("pass-above").textContent = `pass above ${high}`;
  $("scale").setAttribute("aria-label", `${similarity} of 100; rejected below ${low}, passed above ${high}`);
}

/** How many wait, here and before others. */
function left() {
  return Math.max(0, state.waiting - state.unsent - leaving.size);
}

function count() {
  const more = state.at_least ? "over " : "";
  $("progress").textContent = `${more}${left()} to decide · ${state.recorded} recorded`;
  $("undo").disabled = !state.pending;
}

function vanish() {
  gone = true;
  which(false);
  $("gone-says").textContent =
    `${current.pair_id} is not to be decided any more: it was uploaded anew, or another reviewer has it. ` +
    "If it has to be looked at again, it comes back.";
  $("gone").hidden = false;
  say($("gone-says").textContent);
}

/** Something that the reviewer should know; it stays until he decides the next pair. */
function notice(sentences) {
  if (sentences) $("notice").textContent = sentences;
  $("notice").hidden = !$("notice").textContent;
}

function problem(sentence) {
  $("problem").hidden = !sentence;
  $("problem").querySelector("p").textContent = sentence ?? "";
}

function end() {
  ended = true;
  problem("The command facepair review has ended, and has sent what was decided. Start it again to go on.");
  $("try-again").hidden = true;
  for (const button of document.querySelectorAll("button")) button.disabled = true;
}

let words = "";

/** Tell something that matters; the next pair's announcement comes behind it. */
function say(text) {
  words = text;
  $("said").textContent = text;
}

/** For those who hear the page: what comes now. For those who see it, that is plain. */
function announce(text) {
  const heard = document.createElement("span");
  heard.className = "heard";
  heard.textContent = ` ${text}`;
  $("said").replaceChildren(words, heard);
}

// --- what the reviewer does ---------------------------------------------------------------------------------------

function decide(verdict, retake = []) {
  if (!current || gone || ended) return;
  if (verdict !== "RETAKE" && !(frames.first.ready && frames.second.ready)) return cannot();
  const { pair_id, fingerprint } = current;
  const because = $("typed").value.trim() || chosen() || BY_ITSELF[verdict];
  const retaken = retake.length ? `: ${retake.join(" and ")}` : "";
  leave(pair_id, `${pair_id} ${SAID[verdict]}${retaken}. U takes it back.`);
  ask("/decide", { pair_id, fingerprint, verdict, retake, reason: because });
}

function cannot() {
  const trouble = [frames.first, frames.second].some((frame) => frame.picture?.trouble);
  say(trouble
    ? "Nobody can pass or reject what he does not see: T has the picture taken again, S leaves the pair to somebody else."
    : "Wait until both pictures are there.");
}

function skip() {
  if (!current || gone || ended) return;
  const { pair_id } = current;
  leave(pair_id, `${pair_id} is left to somebody else.`);
  ask("/skip", { pair_id });
}

/** Show the next pair at once; the command is told meanwhile. */
function leave(pair_id, told) {
  leaving.add(pair_id);
  $("notice").textContent = "";
  notice();
  say(told);
  show(queue()[0]);
  count();
}

function takeBack() {
  if (!ended) ask("/undo").then(() => say(state.taken_back ? `${state.taken_back} is undecided again.` : "There is nothing to take back: what was decided is sent."));
}

function zoom() {
  whole = !whole;
  $("whole").setAttribute("aria-pressed", whole);
  frames.first.zoom(whole);
  frames.second.zoom(whole);
  say(whole ? "Whole pictures." : "Faces.");
}

function again() {
  problem("");
  ask("/again").then(() => current && !gone && show(current));
}

function next() {
  gone = false;
  show(queue()[0]);
}

function which(open) {
  $("which").hidden = !open;
  $("reasons").hidden = open;
  if (open) $("which").querySelector("button").focus();
  else if ($("which").contains(document.activeElement)) document.activeElement.blur();
}

function retake(role) {
  which(false);
  if (role) decide("RETAKE", role === "both" ? ["first", "second"] : [role]);
}

function chosen() {
  return document.querySelector("#listed :checked")?.value;
}

/** Choose a reason; choosing it again takes it away. */
function reason(text) {
  for (const each of document.querySelectorAll("#listed input")) each.checked = each.value === text && !each.checked;
  $("typed").value = "";
}

// --- keys ---------------------------------------------------------------------------------------------------------

const KEYS = {
  p: () => decide("PASS"),
  r: () => decide("REJECT"),
  t: () => current && !gone && which(true),
  u: takeBack,
  w: zoom,
  s: skip,
  a: again,
  "?": () => $("help").showModal(),
  "/": () => $("typed").focus(),
};
const RETAKES = { 1: "first", 2: "second", b: "both", escape: "" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("help").open) return;
  const key = event.key.toLowerCase();
  if (event.target === $("typed")) {
    if (key === "enter" || key === "escape") $("typed").blur();
    return;
  }
  const does = action(key, event.target);
  if (!does) return;
  event.preventDefault();
  does();
});

function action(key, target) {
  if (!$("which").hidden) return key in RETAKES ? () => retake(RETAKES[key]) : null;
  if (gone && key === "enter") return next;
  if (REASONS[key - 1]) return () => current && reason(REASONS[key - 1]);
  if (key === "enter" || key === " ") return null; // of the button that has the focus
  return target.closest?.("dialog") ? null : KEYS[key];
}

// --- the page begins, and ends ------------------------------------------------------------------------------------

REASONS.forEach((text, index) => {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "reason", value: text });
  const key = document.createElement("kbd");
  key.textContent = index + 1;
  label.append(radio, key, text);
  $("listed").append(label);
});
$("pass").onclick = () => decide("PASS");
$("reject").onclick = () => decide("REJECT");
$("retake").onclick = () => which(true);
$("whole").onclick = zoom;
$("skip").onclick = skip;
$("undo").onclick = takeBack;
$("next").onclick = next;
$("try-again").onclick = again;
$("ask-help").onclick = () => $("help").showModal();
for (const button of $("which").querySelectorAll("button")) button.onclick = () => retake(button.dataset.retake);

history.replaceState(null, "", "/"); // the one-time token is used
const alive = new EventSource("/alive"); // as long as it is open, the page is
alive.addEventListener("ended", () => { alive.close(); end(); });
addEventListener("pagehide", () => {
  fetch("/close", { method: "POST", keepalive: true, headers: { "X-Page-Token": token } });
});
setInterval(() => document.hidden || ended || ask("/pairs"), REFRESH);
ask("/pairs");
