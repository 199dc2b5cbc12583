// One of the two pictures: loads it, says what keeps it from being shown, and shows the face or the whole.

import { request } from "/static/desk.js";

/** A text from outside, with control, formatting and other invisible characters escaped as the command line does. */
export function escaped(text) {
  return String(text ?? "").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0).toString(16);
    return { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character] ??
      (code.length > 4 ? `\\U${code.padStart(8, "0")}` : code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`);
  });
}

const MARGIN = 0.5; // of the face's size, on each side: hair, chin and ears belong to a face

const loaded = new Map(); // address -> promise of a Picture

/** A picture that was loaded: `image` is ready to be shown, `face` where the face is in parts of the picture, or null;
 *  or `trouble`, the sentence that says why it cannot be shown. */
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
    const answer = await request(address); // an <img> could not bring the page's token, or say why it fails
    if (!answer.ok) {
      if (answer.status >= 500) forget(address);
      return { trouble: (await answer.json()).error };
    }
    const content = await answer.blob();
    const [width, height] = answer.headers.get("X-Upload-Size").split("x").map(Number);
    const image = new Image();
    image.src = URL.createObjectURL(content);
    await image.decode();
    const part = face && { left: face.left / width, top: face.top / height, right: face.right / width, bottom: face.bottom / height };
    return { image, face: part, size: `${width} × ${height}` };
  } catch {
    forget(address);
    return { trouble: "This picture did not arrive. Press A to try again." };
  }
}

function forget(address) {
  return loaded.delete(address);
}

/** Where a picture is shown. */
export class Frame {
  constructor(figure, role) {
    this.frame = figure.querySelector(".frame");
    this.mark = figure.querySelector(".mark");
    this.trouble = figure.querySelector(".trouble");
    this.caption = figure.querySelector("figcaption");
    this.name = role === "first" ? "First" : "Second";
    this.picture = null;
    new ResizeObserver(() => this.place()).observe(this.frame);
  }

  get ready() {
    return this.picture?.image !== undefined;
  }

  /** Show one picture of a pair. */
  async show(shown, whole) {
    const picture = load(shown);
    this.wanted = picture;
    this.whole = whole;
    this.clear("Loading …");
    this.say(shown, "");
    const arrived = await picture;
    if (this.wanted !== picture) return; // another pair by now
    this.picture = arrived;
    this.trouble.textContent = arrived.trouble ?? "";
    if (!arrived.image) return;
    this.frame.querySelector("img").replaceWith(arrived.image);
    this.say(shown, arrived.size);
    this.place();
  }

  clear(words) {
    this.picture = null;
    this.trouble.textContent = words;
    this.frame.querySelector("img").hidden = true;
    this.mark.hidden = true;
  }

  say(shown, size) {
    const name = document.createElement("b");
    name.textContent = this.name;
    const facts = [shown.file, size, ...shown.adjusted].filter(Boolean).map(escaped);
    this.caption.replaceChildren(name, `  ${facts.join(" · ")}`);
    this.caption.title = facts.join(" · ");
  }

  zoom(whole) {
    this.whole = whole;
    this.place();
  }

  /** Scale and move the picture so that the face with its margin, or all of it, fits into the frame. */
  place() {
    if (!this.ready) return;
    const { image, face } = this.picture;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const part = this.whole || !face ? { left: 0, top: 0, right: 1, bottom: 1 } : widened(face);
    const across = (part.right - part.left) * width;
    const down = (part.bottom - part.top) * height;
    const scale = Math.min(this.frame.clientWidth / across, this.frame.clientHeight / down);
    const left = placed(this.frame.clientWidth, width * scale, ((part.left + part.right) / 2) * width * scale);
    const top = placed(this.frame.clientHeight, height * scale, ((part.top + part.bottom) / 2) * height * scale);
    put(image, left, top, width * scale, height * scale);
    image.alt = `${this.name} picture, ${this.whole || !face ? "whole" : "cropped to the face"}`;
    image.hidden = false;
    this.mark.hidden = !face;
    if (face) {
      const [x, y] = [face.left * width * scale, face.top * height * scale];
      put(this.mark, left + x, top + y, face.right * width * scale - x, face.bottom * height * scale - y);
    }
  }
}

function widened(face) {
  const across = (face.right - face.left) * MARGIN;
  const down = (face.bottom - face.top) * MARGIN;
  return {
    left: Math.max(0, face.left - across),
    top: Math.max(0, face.top - down),
    right: Math.min(1, face.right + across),
    bottom: Math.min(1, face.bottom + down),
  };
}

/** Where a picture begins so that its `middle` is the frame's, without leaving an edge of the frame empty. */
function placed(frame, size, middle) {
  if (size <= frame) return (frame - size) / 2;
  return Math.min(0, Math.max(frame - size, frame / 2 - middle));
}

function put(element, left, top, width, height) {
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
}
