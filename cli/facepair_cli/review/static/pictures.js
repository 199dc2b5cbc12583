// Both pictures together: the faces at one scale and height, zoomed and moved as one.

import { Frame } from "/static/picture.js";

const MARGIN = 0.5; // of the face's size, on each side, for hair, chin and ears
const MOST = 16; // times as large
const STEP = 1.25;

export class Pictures {
  /** `changed` is called once a picture is shown, or cannot be. */
  constructor(changed) {
    this.frames = ["first", "second"].map((role) => new Frame(document.getElementById(role), role, () => {
      this.place();
      changed();
    }));
    this.pointers = new Map();
    const sizes = new ResizeObserver(() => this.place());
    for (const { element } of this.frames) {
      sizes.observe(element);
      element.addEventListener("wheel", (event) => this.turn(event, element), { passive: false });
      element.addEventListener("pointerdown", (event) => this.hold(event, element));
      element.addEventListener("pointermove", (event) => this.drag(event, element));
      for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, ({ pointerId }) => this.pointers.delete(pointerId));
    }
    this.whole = false;
    this.reset();
  }

  get ready() {
    return this.frames.every((frame) => frame.ready);
  }

  /** Whether each picture is shown or has failed. */
  get settled() {
    return this.frames.every((frame) => frame.settled);
  }

  get trouble() {
    return this.frames.some((frame) => frame.picture?.trouble);
  }

  show(pair) {
    this.reset();
    for (const [index, role] of ["first", "second"].entries()) this.frames[index].show(pair[role]);
    this.place();
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0, y: 0 });
    this.place();
  }

  toggleWhole() {
    this.whole = !this.whole;
    this.reset();
  }

  /** Return whether a picture was too dark, and is lighter now. */
  lighten() {
    return this.frames.map((frame) => frame.lighten()).includes(true);
  }

  /** Zoom in or out around a point, in pixels from the frame's middle. */
  scale(times, x = 0, y = 0) {
    const zoom = Math.min(MOST, Math.max(1, this.zoom * times));
    const change = zoom / this.zoom;
    Object.assign(this, { zoom, x: x - (x - this.x) * change, y: y - (y - this.y) * change });
    this.move(0, 0);
  }

  in() {
    this.scale(STEP);
  }

  out() {
    this.scale(1 / STEP);
  }

  /** Move both by pixels, at most to the frame's edge. */
  move(x, y) {
    const { clientWidth, clientHeight } = this.frames[0].element;
    const [across, down] = [clientWidth, clientHeight].map((size) => (size / 2) * this.zoom);
    this.x = Math.min(across, Math.max(-across, this.x + x));
    this.y = Math.min(down, Math.max(-down, this.y + y));
    this.place();
  }

  turn(event, element) {
    const page = document.documentElement;
    if (!event.ctrlKey && page.scrollHeight > page.clientHeight) return; // the wheel scrolls the page
    event.preventDefault();
    const { x, y } = fromMiddle(event, element);
    this.scale(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), x, y);
  }

  hold(event, element) {
    this.pointers.set(event.pointerId, event);
    element.setPointerCapture(event.pointerId);
  }

  drag(event, element) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    this.pointers.set(event.pointerId, event);
    const others = [...this.pointers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
    if (!others.length) return this.move(event.clientX - before.clientX, event.clientY - before.clientY);
    const { x, y } = fromMiddle(others[0], element);
    this.scale(distance(event, others[0]) / Math.max(1, distance(before, others[0])), x, y);
  }

  /** Fit the faces with their margins, or both whole pictures, into the frames. Faces have the same height and are centred,
   *  even at an edge of their picture. */
  place() {
    const sizes = this.frames.map(({ element }) => element);
    const width = Math.min(...sizes.map((each) => each.clientWidth));
    const height = Math.min(...sizes.map((each) => each.clientHeight));
    const around = 1 + 2 * MARGIN;
    const faces = this.frames.map(({ shown }) => shown?.face).filter(Boolean);
    const high = Math.min(height / around, ...faces.map((face) => (width / around) * ((face.bottom - face.top) / (face.right - face.left))));
    const page = document.documentElement;
    for (const frame of this.frames) {
      frame.element.style.touchAction = page.scrollHeight > page.clientHeight && this.zoom === 1 ? "pan-y" : "none";
      if (!frame.ready) continue;
      const { image, face } = frame.picture;
      const asWhole = this.whole || !face;
      const scale = asWhole
        ? Math.min(width / image.naturalWidth, height / image.naturalHeight)
        : high / ((face.bottom - face.top) * image.naturalHeight);
      const middle = asWhole ? { x: 0.5, y: 0.5 } : { x: (face.left + face.right) / 2, y: (face.top + face.bottom) / 2 };
      const what = (asWhole ? "whole" : "cropped to the face") + (this.zoom > 1 ? `, ${this.zoom.toFixed(1)} times as large` : "");
      frame.put(scale * this.zoom, middle, frame.element.clientWidth / 2 + this.x, frame.element.clientHeight / 2 + this.y, what);
    }
  }
}

function fromMiddle({ clientX, clientY }, element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
