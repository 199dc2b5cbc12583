// What the page says in words.

import { escaped } from "/static/picture.js";

export const $ = (id) => document.getElementById(id);

/** Something that the reviewer should know; it stays until they decide the next pair. */
export function notice(sentences) {
  if (sentences) $("notice").textContent = escaped(sentences);
  $("notice").hidden = !$("notice").textContent;
}

export function problem(sentence) {
  $("problem").hidden = !sentence;
  $("problem").querySelector("p").textContent = escaped(sentence);
}

let words = ""; // what was said last

/** Say something that matters; the next pair's announcement comes behind it. */
export function say(text) {
  words = escaped(text);
  $("said").textContent = $("said").title = words;
}

/** For screen readers: what comes now. */
export function announce(text) {
  const heard = document.createElement("span");
  heard.className = "heard";
  heard.textContent = ` ${escaped(text)}`;
  $("said").replaceChildren(words, heard);
}

/** Show how similar the faces are, on a scale with the thresholds; undefined while it is not known. */
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
