// Map key presses to the page's keys, on any keyboard layout.

const PAGE_KEYS = /^[a-z0-9/?+=-]$/;
const OTHER_SCRIPT = /[^\p{ASCII}\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

let hasOtherScript = false; // keys of a non-Latin layout count by position

/** Return a name ("enter"), a character that the page uses, or "". Digits need no Shift (AZERTY). On a non-Latin layout,
 *  or with an input method, the key's position counts. */
export function keyOf({ key, code, shiftKey }) {
  if (OTHER_SCRIPT.test(key)) hasOtherScript = true;
  else if (/^[a-z]$/i.test(key)) hasOtherScript = false;
  const digit = !shiftKey && /^Digit(\d)$/.exec(code);
  if (digit) return digit[1];
  if (key === "Process" || key === "Unidentified" || (hasOtherScript && code.startsWith("Key"))) return atPosition(code, shiftKey);
  if (OTHER_SCRIPT.test(key)) return atPosition(code, shiftKey);
  if (key.length > 1 || key === " ") return key.toLowerCase();
  const character = key.toLowerCase();
  return PAGE_KEYS.test(character) ? character : "";
}

function atPosition(code, shiftKey) {
  if (code.startsWith("Key")) return code.slice(3).toLowerCase();
  return { Slash: shiftKey ? "?" : "/", Minus: "-", Equal: "+" }[code] ?? "";
}

/** Return whether an input method handles this press: Enter then commits its text, and Escape drops it. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
