// The review page: what is shown, and what the reviewer does. The command that serves the page keeps the decisions.

import { Desk } from "/static/desk.js";
import { escaped, Frame, keep, load } from "/static/picture.js";

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
const frames = { first: new Frame($("first"), "first"), second: new Frame($("second"), "second") };

let state = { pairs: [], waiting: 0, at_least: false, pending: null, unsent: [], recorded: 0, notices: [], looking: true };
let seen = 0; // notices that were shown
let current = null; // the pair that is looked at
let whole = false;
let gone = false; // it is not to be decided any more
const leaving = new Set(); // pairs that are decided or skipped, as long as the command does not know

// --- what the command says ----------------------------------------------------------------------------------------

const desk = new Desk({ take, connection, refused: problem });

/** The command's newest state. */
function take(newest) {
  state = newest;
  problem(newest.problem);
  notice(newest.notices.slice(seen).join(" "));
  seen = newest.notices.length;
  const pairs = queue();
  keep(new Set(newest.pairs.flatMap((pair) => [pair.first.address, pair.second.address])));
  for (const pair of pairs.slice(0, 3)) [load(pair.first), load(pair.second)];
  const still = current && newest.pairs.find((pair) => pair.address === current.address);
  if (current && !still && !gone && !newest.ending) vanish();
  else if (!current && !leaving.size) show(pairs[0]);
  if (!current) empty();
  count();
  if (newest.ended) end();
}

function connection(isThere) {
  if (isThere) {
    problem(state.problem);
    if (current && !(frames.first.ready && frames.second.ready)) show(current);
    return;
  }
  const open = [...desk.open.values()];
  problem(
    "The connection to facepair review is lost; trying again." +
    (open.length ? ` Not recorded, as far as this page knows: ${named(open)}.` : "") +
    " If the command has ended, start it again" + (open.length ? " and decide these again." : "."),
  );
}

function named(decisions) {
  return decisions.map(({ pair_id, verdict }) => `${pair_id} as ${verdict}`).join(", ");
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
  $("pair").textContent = escaped(current?.pair_id);
  $("pair").title = $("pair").textContent;
  which(false);
  reason("");
  if (!current) return empty();
  for (const role of ["first", "second"]) frames[role].show(current[role], whole);
  announce(`Pair ${current.pair_id}.`);
}

function empty() {
  const [title, text] = state.problem
    ? ["There is nothing to show", "What keeps it is said above."]
    : state.looking
    ? ["One moment", "The next pairs are on their way."]
    : left() > 0
    ? ["Others have the rest", "Pairs that wait are before other reviewers. What they leave comes here by itself."]
    : ["Nothing waits", "Every pair is decided. New ones come here by themselves."];
  $("empty").querySelector("h2").textContent = title;
  $("empty").querySelector("p").textContent = text;
}

/** How many wait, here and before others. */
function left() {
  return Math.max(0, state.waiting - state.unsent.length - leaving.size);
}

function count() {
  const more = state.at_least ? "over " : "";
  $("progress").textContent = `${more}${left()} to decide · ${state.recorded} recorded`;
  $("undo").disabled = !lastDecision();
}

function vanish() {
  gone = true;
  which(false);
  $("gone-says").textContent =
    `${escaped(current.pair_id)} is not to be decided any more: it was uploaded again, or another reviewer has it. ` +
    "If it has to be looked at again, it comes back.";
  $("gone").hidden = false;
  say($("gone-says").textContent);
}

/** Something that the reviewer should know; it stays until they decide the next pair. */
function notice(sentences) {
  if (sentences) $("notice").textContent = escaped(sentences);
  $("notice").hidden = !$("notice").textContent;
}

function problem(sentence) {
  $("problem").hidden = !sentence;
  $("problem").querySelector("p").textContent = escaped(sentence);
}

function end() {
  const lost = [...state.notices, ...desk.undelivered().map((each) => `Not recorded: ${named([each])}.`)];
  problem(
    lost.length
      ? `The command facepair review has ended. ${lost.join(" ")} All other decisions are recorded. Start it again to go on.`
      : "The command facepair review has ended, and has recorded what was decided. Start it again to go on.",
  );
  $("try-again").hidden = true;
  for (const button of document.querySelectorAll("button")) button.disabled = true;
}

let words = ""; // what was said last

/** Say something that matters; the next pair's announcement comes behind it. */
function say(text) {
  words = escaped(text);
  $("said").textContent = words;
}

/** For screen readers: what comes now. */
function announce(text) {
  const heard = document.createElement("span");
  heard.className = "heard";
  heard.textContent = ` ${escaped(text)}`;
  $("said").replaceChildren(words, heard);
}

// --- what the reviewer does ---------------------------------------------------------------------------------------

function decide(verdict, retake = []) {
  if (!current || gone || state.ending) return;
  if (verdict !== "RETAKE" && !(frames.first.ready && frames.second.ready)) return cannot();
  const { pair_id, fingerprint } = current;
  const because = $("typed").value.trim() || chosen() || BY_ITSELF[verdict];
  const retaken = retake.length ? `: ${retake.join(" and ")}` : "";
  leave(pair_id, `${pair_id} ${SAID[verdict]}${retaken}. U takes it back.`,
    () => desk.decide({ pair_id, fingerprint, verdict, retake, reason: because }));
}

function cannot() {
  const trouble = [frames.first, frames.second].some((frame) => frame.picture?.trouble);
  say(trouble
    ? "A pair can be passed or rejected only if both pictures are shown: T has the picture taken again, S leaves the pair to another reviewer."
    : "Wait until both pictures are there.");
}

function skip() {
  if (!current || gone || state.ending) return;
  const { pair_id } = current;
  leave(pair_id, `${pair_id} is left to another reviewer.`, () => desk.post("/skip", { pair_id }));
}

/** Show the next pair at once; the command gets the request meanwhile. */
function leave(pair_id, words, request) {
  leaving.add(pair_id);
  const answered = request();
  $("notice").textContent = "";
  notice();
  say(words);
  show(queue()[0]);
  count();
  answered.then(() => {
    leaving.delete(pair_id);
    take(state);
  });
}

/** The id of the decision that can still be undone. */
function lastDecision() {
  return desk.undelivered().at(-1)?.id ?? state.pending;
}

async function undo() {
  if (state.ending) return;
  const last = lastDecision();
  const answer = last && await desk.post("/undo", { decision_id: last });
  const pair = answer?.undone && queue().find((each) => each.pair_id === answer.undone);
  if (pair) show(pair);
  say(answer?.undone ? `${answer.undone} is undecided again.` : "There is nothing to take back: every decision is sent.");
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
  desk.post("/again").then(() => current && !gone && show(current));
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
  u: undo,
  w: zoom,
  s: skip,
  a: again,
  "?": () => $("help").showModal(),
  "/": () => $("typed").focus(),
};
const RETAKES = { 1: "first", 2: "second", b: "both", escape: "" };

document.addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.metaKey;
  if (event.key === "F5" || (modified && event.key === "r")) {
    event.preventDefault(); // a page that is reloaded cannot open again
    return again();
  }
  if (modified || event.altKey || event.repeat || $("help").open) return;
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
$("undo").onclick = undo;
$("next").onclick = next;
$("try-again").onclick = again;
$("ask-help").onclick = () => $("help").showModal();
for (const button of $("which").querySelectorAll("button")) button.onclick = () => retake(button.dataset.retake);

history.replaceState(null, "", "/"); // the one-time token is used
addEventListener("pagehide", () => desk.close());
setInterval(() => document.hidden || state.ending || desk.post("/pairs"), REFRESH);
