// One of the two pictures: loads and shows it with its facts, or the reason why it cannot be shown.

import { request } from "/static/desk.js";

const SMALL = 100; // pixels: a smaller face is hard to judge
const FACE_GREY = 110; // of 255: a face darker than this is lightened to it on request

/** Escape control, formatting and other invisible characters like the command line. */
export function escaped(text) {
  return String(text ?? "").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0).toString(16);
    return { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character] ??
      (code.length > 4 ? `\\U${code.padStart(8, "0")}` : code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`);
  });
}

const loaded = new Map(); // address -> promise of a picture

/** Return a picture: its loaded `image`, `face` (in parts of the picture, or null), size and time of upload; or `trouble`,
 *  why it cannot be shown. */
export function load(shown) {
  if (!loaded.has(shown.address)) loaded.set(shown.address, fetched(shown));
  return loaded.get(shown.address);
}

/** Forget all but these addresses. */
export function keep(addresses) {
  for (const [address, picture] of loaded) {
    if (addresses.has(address)) continue;
    loaded.delete(address);
    picture.then(({ image }) => image && URL.revokeObjectURL(image.src));
  }
}

async function fetched({ address, face }) {
  try {
    const answer = await request(address); // an <img> cannot send the page's token or report why it fails
    if (!answer.ok) {
      if (answer.status >= 500) loaded.delete(address);
      return { trouble: (await answer.json()).error };
    }
    const content = await answer.blob();
    const [width, height] = answer.headers.get("X-Upload-Size").split("x").map(Number);
    const image = new Image();
    image.draggable = false;
    image.src = URL.createObjectURL(content);
    await image.decode();
    const part = face && { left: face.left / width, top: face.top / height, right: face.right / width, bottom: face.bottom / height };
    return { image, face: part, width, height, uploadedAt: answer.headers.get("X-Uploaded-At") };
  } catch {
    loaded.delete(address);
    return { trouble: "This picture did not arrive. Press A to try again." };
  }
}

/** A frame for a picture. `changed` is called once it is shown, or cannot be. */
export class Frame {
  constructor(figure, role, changed) {
    const find = (selector) => figure.querySelector(selector);
    Object.assign(this, { figure, changed, element: find(".frame"), mark: find(".mark"), trouble: find(".trouble") });
    Object.assign(this, { file: find(".file"), facts: find(".facts"), light: find("input") });
    this.name = role === "first" ? "First" : "Second";
    this.picture = null;
    this.light.oninput = () => this.shine();
  }

  get ready() {
    return this.picture?.image !== undefined;
  }

  get settled() {
    return this.picture !== null;
  }

  /** Show one picture of a pair. */
  async show(shown) {
    const picture = load(shown);
    this.wanted = picture;
    this.clear("Loading …");
    this.shown = shown;
    this.light.value = 0;
    this.say(null);
    const arrived = await picture;
    if (this.wanted !== picture) return; // another pair by now
    this.picture = arrived;
    this.trouble.textContent = arrived.trouble ?? "";
    if (arrived.image) {
      this.element.querySelector("img").replaceWith(arrived.image);
      this.shine();
    }
    this.say(arrived);
    this.changed();
  }

  clear(words) {
    this.picture = null;
    this.trouble.textContent = words;
    this.element.querySelector("img").hidden = true;
    this.mark.hidden = true;
  }

  /** Show the facts, starting with the face's size, which may be too small to judge. */
  say(arrived) {
    const { file, face, adjusted } = this.shown;
    const [width, height] = face ? [face.right - face.left, face.bottom - face.top].map(Math.round) : [];
    const isSmall = face && Math.min(width, height) < SMALL;
    const when = arrived?.uploadedAt && new Date(arrived.uploadedAt);
    this.file.textContent = this.file.title = escaped(file);
    this.facts.replaceChildren();
    if (isSmall) {
      const warning = document.createElement("strong");
      warning.textContent = `⚠ Small face, hard to judge: ${width} × ${height} px`;
      this.facts.append(warning);
    }
    const facts = [
      face ? (isSmall ? null : `Face ${width} × ${height} px`) : "Face not located",
      arrived?.width && `picture ${arrived.width} × ${arrived.height}`,
      when && `uploaded ${when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`,
      adjusted.length ? `adjusted: ${adjusted.map(escaped).join(", ")}` : arrived?.width && "as uploaded",
    ].filter(Boolean);
    this.facts.append((isSmall ? " · " : "") + facts.join(" · "));
    this.facts.title = this.facts.textContent;
  }

  /** Place a point of the picture (in parts) at a place of the frame, at a scale. */
  put(scale, part, x, y, what) {
    if (!this.ready) return;
    const { image, face } = this.picture;
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    const [left, top] = [x - part.x * width, y - part.y * height];
    place(image, left, top, width, height);
    image.alt = `${this.name} picture, ${what}`;
    image.hidden = false;
    this.mark.hidden = !face;
    if (!face) return;
    const [across, down] = [(face.right - face.left) * width, (face.bottom - face.top) * height];
    place(this.mark, left + face.left * width, top + face.top * height, across, down);
  }

  /** Apply the brightness slider: each step of 1 doubles the light. */
  shine() {
    const times = 2 ** Number(this.light.value);
    this.light.setAttribute("aria-valuetext", times === 1 ? "as it is" : `${times.toFixed(1)} times as bright`);
    if (this.picture?.image) this.picture.image.style.filter = times === 1 ? "" : `brightness(${times})`;
  }

  /** Lighten a dark face with the slider. Return whether it was dark. */
  lighten() {
    if (!this.ready) return false;
    const { image, face } = this.picture;
    const { left, top, right, bottom } = face ?? { left: 0, top: 0, right: 1, bottom: 1 };
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const pixels = new OffscreenCanvas(16, 16).getContext("2d");
    pixels.drawImage(image, left * width, top * height, (right - left) * width, (bottom - top) * height, 0, 0, 16, 16);
    const values = pixels.getImageData(0, 0, 16, 16).data.filter((_, index) => index % 4 < 3);
    const grey = values.reduce((sum, value) => sum + value, 0) / values.length;
    if (grey > FACE_GREY * 0.7) return false;
    this.light.value = Math.log2(FACE_GREY / Math.max(grey, 4));
    this.shine();
    return true;
  }
}

function place(element, left, top, width, height) {
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
}
