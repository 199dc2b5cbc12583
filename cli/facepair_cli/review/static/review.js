// The review page: display and actions. The command that serves it keeps the decisions.

import { DecisionGuard } from "/static/decision_guard.js";
import { Desk } from "/static/desk.js";
import { isComposing, keyOf } from "/static/keys.js";
import { escaped, keep, load } from "/static/picture.js";
import { Pictures } from "/static/pictures.js";
import { Reasons } from "/static/reasons.js";
import { $, announce, likeness, notice, problem, say } from "/static/words.js";

const SAID = { PASS: "passed", REJECT: "rejected", RETAKE: "to be taken again", CANNOT_TELL: "left to another reviewer with your note" };
const KEYS_OF = { PASS: "P", REJECT: "R", RETAKE: "T", CANNOT_TELL: "C" };
const REFRESH = 20_000; // milliseconds between renewals of leases and looks for new pairs
const MOVE = 60; // pixels
const SKIP = 500; // milliseconds before a pair can be skipped

let state = { pairs: [], waiting: 0, at_least: false, pending: null, unsent: [], recorded: 0, notices: [], looking: true, looks: 0, looked: 0 };
let seen = 0; // notices already shown
let current = null; // the pair on display
let shownAt = 0;
let gone = false; // it can no longer be decided
let last = null; // the last decision
let revealed = false;
const leaving = new Set(); // pairs decided or skipped that the command does not know of yet
const skipped = new Set();
const drafts = new Map(); // address of a pair -> its reason, chosen and typed

const reasons = new Reasons($("listed"), $("typed"));
const pictures = new Pictures(() => guard.look());
const guard = new DecisionGuard({ pictures, changed: ready, refresh: async () => (await desk.post("/pairs"))?.looks ?? Infinity });
const desk = new Desk({ take, connection, refused: problem });

// --- what the command says ----------------------------------------------------------------------------------------

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
  else if (still) Object.assign(current, still);
  guard.answered(newest.looked);
  if (current) similarity();
  else empty();
  count();
  if (newest.ended) end();
}

function connection(isThere) {
  if (isThere) {
    problem(state.problem);
    if (current && !pictures.ready) show(current);
    return;
  }
  const open = [...desk.open.values()];
  problem(
    "The connection to facepair review is lost; retrying." +
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
  if (current) drafts.set(current.address, reasons.draft);
  const isAnother = pair?.address !== current?.address;
  current = pair ?? null;
  gone = false;
  shownAt = performance.now();
  $("gone").hidden = true;
  for (const part of ["work", "decisions", "view"]) $(part).hidden = !current;
  $("empty").hidden = Boolean(current);
  $("pair").textContent = $("pair").title = escaped(current?.pair_id);
  which(false);
  if (document.activeElement === $("typed")) $("typed").blur();
  reasons.draft = drafts.get(current?.address) ?? { typed: "" };
  if (!current) return empty();
  if (isAnother) revealed = false;
  pictures.show(current);
  notes();
  similarity();
  guard.look();
  announce(`Pair ${current.pair_id}.`);
}

function empty() {
  const [title, text] = state.problem
    ? ["There is nothing to show", "The reason is shown above."]
    : state.looking
    ? ["One moment", "The next pairs are on their way."]
    : left() > 0
    ? ["Others have the rest", "Other reviewers have the remaining pairs, or they need another person. New pairs appear automatically."]
    : ["Nothing waits", "Every pair is decided. New ones appear automatically."];
  $("empty").querySelector("h2").textContent = title;
  $("empty").querySelector("p").textContent = text;
}

/** Notes of other reviewers. */
function notes() {
  const said = current.notes.map(({ by, note }) => `${by} cannot tell: ${note}`);
  if (skipped.has(current.pair_id)) said.push("You skipped this pair before.");
  $("notes").textContent = said.map(escaped).join(" · ");
  $("notes").hidden = !said.length;
}

/** Show the similarity, if wanted and both pictures were seen. */
function similarity() {
  const isWanted = revealed || state.shows_similarity;
  const value = isWanted && guard.looked ? current.similarity : undefined;
  $("likeness").hidden = !isWanted;
  $("reveal").setAttribute("aria-pressed", isWanted);
  likeness(value, current.policy);
}

/** Decisions start or stop being accepted. */
function ready() {
  for (const button of $("decisions").querySelectorAll("button")) button.setAttribute("aria-disabled", !guard.isAccepting);
  if (!current) return;
  similarity();
  $("ready").textContent = guard.isAccepting ? "Ready to decide." : "";
}

/** Show how many pairs wait, here and with others. */
function left() {
  return Math.max(0, state.waiting - state.unsent.length - leaving.size);
}

function count() {
  const more = state.at_least ? "over " : "";
  const unsent = new Set([...state.unsent, ...desk.undelivered().map(({ id }) => id)]).size;
  $("progress").textContent = `${more}${left()} to decide · ${state.recorded} recorded`;
  $("unsent").textContent = unsent ? `${unsent} not sent yet` : "";
  $("undo").disabled = !lastDecision();
}

function vanish() {
  gone = true;
  which(false);
  $("gone-says").textContent =
    `${escaped(current.pair_id)} is not to be decided any more: it was uploaded again, or another reviewer has it. ` +
    "It comes back if it needs another review.";
  $("gone").hidden = false;
  say($("gone-says").textContent);
}

function end() {
  const lost = [...state.notices, ...desk.undelivered().map((each) => `Not recorded: ${named([each])}.`)];
  problem(
    lost.length
      ? `The command facepair review has ended. ${lost.join(" ")} All other decisions are recorded. Start it again to continue.`
      : "The command facepair review has ended, and has recorded what was decided. Start it again to continue.",
  );
  $("try-again").hidden = true;
  for (const button of document.querySelectorAll("button")) button.disabled = true;
}

// --- what the reviewer does ---------------------------------------------------------------------------------------

function isAccepted(verdict) {
  if (!current || gone || state.ending) return false;
  const why = guard.refusal;
  if (why) say(why);
  else if (["PASS", "REJECT"].includes(verdict) && !pictures.ready) {
    say("A pair can be passed or rejected only if both pictures are shown: T has the picture taken again, S leaves the pair to another reviewer.");
  } else if (!reasons.fit(verdict)) {
    say(`“${reasons.chosen}” is no reason for ${KEYS_OF[verdict]}. Nothing was decided: choose another reason, or take it away.`);
  } else return true;
  return false;
}

function decide(verdict, retake = []) {
  if (!isAccepted(verdict)) return;
  const { pair_id, fingerprint, address } = current;
  const retaken = retake.length ? `: ${retake.join(" and ")}` : "";
  const decision = { pair_id, fingerprint, verdict, retake, reason: reasons.of(verdict) };
  last = { pair_id, verdict, address };
  leave(pair_id, `${pair_id} ${SAID[verdict]}${retaken}. U takes it back.`, () => desk.decide(decision));
}

function skip() {
  if (!current || gone || state.ending || performance.now() - shownAt < SKIP) return;
  const { pair_id } = current;
  skipped.add(pair_id);
  leave(pair_id, `${pair_id} is skipped: another reviewer may decide it, or it comes back at the end.`, () => desk.post("/skip", { pair_id }));
}

/** Show the next pair without waiting for the command. */
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
  const id = lastDecision();
  const answer = id && await desk.post("/undo", { decision_id: id });
  const pair = answer?.undone && queue().find((each) => each.pair_id === answer.undone);
  if (pair) show(pair);
  if (answer?.undone) {
    last = null;
    return say(`${answer.undone} is undecided again.`);
  }
  say(last ? `Nothing to undo: ${last.pair_id} was sent as ${last.verdict} and cannot be taken back.` : "Nothing to undo.");
}

function reveal() {
  if (!current || gone) return;
  revealed = !revealed;
  if (revealed && current.similarity === undefined) desk.post("/reveal", { pair_id: current.pair_id });
  similarity();
}

function whole() {
  pictures.toggleWhole();
  $("whole").setAttribute("aria-pressed", pictures.whole);
  say(pictures.whole ? "Whole pictures." : "Faces.");
}

function lighten() {
  say(pictures.lighten() ? "Dark pictures are shown lighter. The sliders change that." : "Neither face is dark. The sliders change the light.");
}

function again() {
  problem("");
  desk.post("/again").then(() => current && !gone && !pictures.ready && show(current));
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

// --- keys ---------------------------------------------------------------------------------------------------------

const KEYS = {
  p: () => decide("PASS"),
  r: () => decide("REJECT"),
  t: () => isAccepted("RETAKE") && which(true),
  c: () => decide("CANNOT_TELL"),
  u: undo,
  v: reveal,
  w: whole,
  l: lighten,
  s: skip,
  a: again,
  "+": () => pictures.in(),
  "=": () => pictures.in(),
  "-": () => pictures.out(),
  0: () => pictures.reset(),
  arrowleft: () => pictures.move(MOVE, 0),
  arrowright: () => pictures.move(-MOVE, 0),
  arrowup: () => pictures.move(0, MOVE),
  arrowdown: () => pictures.move(0, -MOVE),
  "?": () => $("help").showModal(),
  "/": () => $("typed").focus(),
};
const RETAKES = { 1: "first", 2: "second", b: "both", escape: "" };
const OF_CONTROLS = ["enter", " ", "tab", "arrowleft", "arrowright", "arrowup", "arrowdown"];

document.addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.metaKey;
  if (event.key === "F5" || (modified && event.key === "r")) {
    event.preventDefault(); // a reloaded page cannot open again
    return again();
  }
  const isButton = event.target.closest?.("button");
  if (event.repeat && event.key === "Enter" && isButton) event.preventDefault(); // each repeat would press the button
  if (modified || event.altKey || $("help").open || isComposing(event) && event.target === $("typed")) return;
  const key = keyOf(event);
  if (event.repeat && !["+", "=", "-"].includes(key) && !key.startsWith("arrow")) return;
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
  if (key === "enter" && gone) return next;
  if (key === "escape" && !$("which").hidden) return () => which(false);
  if (OF_CONTROLS.includes(key) && target.closest?.("button, input")) return null;
  if (!$("shortcuts").checked && key.length === 1) return null;
  if (!$("which").hidden) return key in RETAKES ? () => retake(RETAKES[key]) : null;
  if (key >= "1" && key <= String(reasons.count)) return () => current && reasons.choose(Number(key));
  return KEYS[key];
}

// --- the page begins, and ends ------------------------------------------------------------------------------------

const BUTTONS = {
  pass: KEYS.p, reject: KEYS.r, retake: KEYS.t, "cannot-tell": KEYS.c, undo, reveal, whole, lighten, skip, next,
  "try-again": again, "zoom-in": KEYS["+"], "zoom-out": KEYS["-"], "ask-help": KEYS["?"],
};
for (const [id, does] of Object.entries(BUTTONS)) $(id).onclick = does;
for (const button of $("which").querySelectorAll("button")) button.onclick = () => retake(button.dataset.retake);
// Drop the focus of a clicked button, or Space would press it again for another pair.
document.addEventListener("mousedown", (event) => event.target.closest("button, #listed label") && event.preventDefault());

history.replaceState(null, "", "/"); // the one-time token is used
addEventListener("pagehide", () => desk.close());
setInterval(() => document.hidden || state.ending || desk.post("/pairs"), REFRESH);
