// The page's messages.

import { escaped } from "/static/picture.js";

export const $ = (id) => document.getElementById(id);

/** Show a notice until the next decision. */
export function notice(sentences) {
  if (sentences) $("notice").textContent = escaped(sentences);
  $("notice").hidden = !$("notice").textContent;
}

export function problem(sentence) {
  $("problem").hidden = !sentence;
  $("problem").querySelector("p").textContent = escaped(sentence);
}

let words = ""; // the last message

/** Show a message; the next pair's announcement follows it. */
export function say(text) {
  words = escaped(text);
  $("said").textContent = $("said").title = words;
}

/** Announce something to screen readers. */
export function announce(text) {
  const heard = document.createElement("span");
  heard.className = "heard";
  heard.textContent = ` ${escaped(text)}`;
  $("said").replaceChildren(words, heard);
}

/** Show the similarity on a scale with the thresholds; undefined while unknown. */
export function likeness(value, { reject_below: low, pass_above: high }) {
  $("similarity").textContent = value ?? "…";
  $("scale").hidden = value === undefined || value === null;
  if ($("scale").hidden) return;
  $("scale").style.setProperty("--low", `${low}%`);
  $("scale").style.setProperty("--high", `${high}%`);
  $("needle").style.left = `${value}%`;
  $("reject-below").textContent = `reject below ${low}`;
  $("pass-above").textContent = `pass above ${high}`;
  $("scale").setAttribute("aria-label", `Similarity ${value} of 100; rejected below ${low}, passed above ${high}`);
}
