// When a decision is accepted: after a look at both pictures, and not right after the machine slept.

const LOOK = 500; // milliseconds that both pictures must be shown
const BEAT = 1000;
const ASLEEP = 15_000; // milliseconds without a beat: the machine slept, or the page was suspended

export class DecisionGuard {
  /** `changed` is called when decisions start or stop being accepted; `refresh` resolves to the number of a look at the stack. */
  constructor({ pictures, changed, refresh }) {
    Object.assign(this, { pictures, changed, refresh });
    this.timer = 0; // of the look
    this.looked = false;
    this.refreshing = false;
    this.awaited = Infinity; // the look that ends the refresh
    this.beat = Date.now();
    setInterval(() => this.tick(), BEAT);
    document.addEventListener("visibilitychange", () => {
      this.tick();
      this.look();
    });
  }

  /** Return why no decision is accepted now; empty if one is. */
  get refusal() {
    this.tick();
    if (this.refreshing) return "This page was not running for a while. It looks for changes first; then decide.";
    if (this.looked) return "";
    return this.pictures.settled ? "Look at both pictures first." : "Wait until both pictures are there.";
  }

  get isAccepting() {
    return this.looked && !this.refreshing;
  }

  /** A new pair, or one of its pictures, is shown. The time to look starts with both pictures. */
  look() {
    clearTimeout(this.timer);
    this.looked = false;
    this.changed();
    if (!this.pictures.settled || document.hidden) return;
    // After two frames the pictures are on the screen.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.looked = this.pictures.settled && !document.hidden;
        this.changed();
      }, LOOK);
    }));
  }

  tick() {
    const slept = Date.now() - this.beat > ASLEEP;
    this.beat = Date.now();
    if (slept) this.isStale = true;
    if (this.isStale && !document.hidden) this.wake();
  }

  /** Check for changes before the next decision: leases may have ended, pairs may be decided. */
  wake() {
    this.isStale = false;
    this.refreshing = true;
    this.awaited = Infinity;
    this.changed();
    this.refresh().then((look) => { this.awaited = look; });
  }

  /** The stack has answered look `number`. */
  answered(look) {
    if (!this.refreshing || look < this.awaited) return;
    this.refreshing = false;
    this.changed();
  }
}
