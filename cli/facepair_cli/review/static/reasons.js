// The reason for a decision: one of a list, free text, or both. Each fits some verdicts only.

const ANY = ["PASS", "REJECT", "RETAKE", "CANNOT_TELL"];
const REASONS = [
  { text: "Clearly one person", fits: ["PASS"] },
  { text: "Looks have changed", fits: ["PASS"] },
  { text: "Clearly two persons", fits: ["REJECT"] },
  { text: "Alike, yet two", fits: ["REJECT"] },
  { text: "Covered or blurred", fits: ["RETAKE", "CANNOT_TELL"] },
  { text: "Photo of a photo", fits: ["REJECT", "RETAKE", "CANNOT_TELL"] },
];
const BY_ITSELF = { PASS: "Same person", REJECT: "Different persons", RETAKE: "Picture not usable", CANNOT_TELL: "Cannot tell" };
const LONGEST = 500;

export class Reasons {
  constructor(listed, typed) {
    Object.assign(this, { listed, typed });
    REASONS.forEach(({ text, fits }, index) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "reason", value: text });
      const key = document.createElement("kbd");
      key.textContent = index + 1;
      label.dataset.fits = fits.join(" ");
      label.append(radio, key, text);
      listed.append(label);
    });
  }

  get count() {
    return REASONS.length;
  }

  get chosen() {
    return this.listed.querySelector(":checked")?.value;
  }

  /** Toggle a reason by number; typed text stays. */
  choose(number) {
    const radio = this.listed.querySelectorAll("input")[number - 1];
    radio.checked = !radio.checked;
  }

  /** The choice and text, to be restored. */
  get draft() {
    return { chosen: this.chosen, typed: this.typed.value };
  }

  set draft({ chosen, typed }) {
    for (const each of this.listed.querySelectorAll("input")) each.checked = each.value === chosen;
    this.typed.value = typed;
  }

  /** Return whether the chosen reason can be given for a verdict. */
  fit(verdict) {
    return (REASONS.find(({ text }) => text === this.chosen)?.fits ?? ANY).includes(verdict);
  }

  /** Return the reason to record: the chosen one and the typed text, or the verdict's own. */
  of(verdict) {
    const parts = [this.chosen, this.typed.value.trim()].filter(Boolean);
    return (parts.join(": ") || BY_ITSELF[verdict]).slice(0, LONGEST);
  }
}
