// The connection to the command that serves this page. A decision stays here until the command has recorded it.

const RETRY = 500; // milliseconds between attempts while the connection is lost

const secrets = Object.fromEntries(["page-token", "server-token"].map((name) => {
  const element = document.querySelector(`meta[name="${name}"]`);
  element.remove();
  return [name, element.content];
}));

/** Fetch from the command, with this page's token. Throws if another program answers on its port. */
export async function request(path, options = {}) {
  const headers = { "X-Page-Token": secrets["page-token"], "Content-Type": "application/json" };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.headers.get("X-Server-Token") !== secrets["server-token"]) throw new Error("another program answered");
  return answer;
}

export class Desk {
  /** `take` gets each newer state, `connection` whether there is one, `refused` why something was not done. */
  constructor({ take, connection, refused }) {
    Object.assign(this, { take, connection, refused });
    this.version = 0;
    this.ended = false;
    this.queue = []; // unanswered requests, in order
    this.open = new Map(); // decisions that may not be recorded, by id
    this.unsent = new Set(); // ids of those that the command has
    this.connected = new Promise((found) => { this.connect = found; });
    this.listen();
  }

  decide(decision) {
    const made = { id: crypto.randomUUID(), ...decision };
    this.open.set(made.id, { ...made, isKept: false });
    if (this.connect && this.version) this.connection(false); // this decision is open, too
    return this.post("/decide", made);
  }

  /** Repeat a request until the command answers. Resolves to the answer, or null if refused. */
  post(path, body = {}) {
    return new Promise((answered) => {
      this.queue.push({ path, body, answered });
      if (this.queue.length === 1) this.deliver();
    });
  }

  async deliver() {
    while (this.queue.length && !this.ended) {
      await this.connected;
      const { path, body, answered } = this.queue[0];
      let answer, said;
      try {
        answer = await request(path, { method: "POST", body: JSON.stringify(body), keepalive: true });
        said = await answer.json();
      } catch {
        this.lose();
        continue;
      }
      this.queue.shift();
      if (answer.ok) this.kept(path, body, said);
      else this.refused(said.error);
      answered(answer.ok ? said : null);
    }
  }

  /** Follow the command's states while it runs. */
  async listen() {
    while (!this.ended) {
      this.following = new AbortController();
      try {
        const states = await request("/states", { signal: this.following.signal });
        if (!states.ok) throw new Error((await states.json()).error);
        for await (const line of lines(states.body)) {
          this.find();
          this.see(JSON.parse(line));
        }
      } catch { /* the same as the stream's end */ }
      this.lose();
      await pause();
    }
  }

  kept(path, body, state) {
    if (path === "/decide") this.open.get(body.id).isKept = true;
    this.see(state);
    this.settle();
  }

  see(state) {
    if (state.version <= this.version) return;
    this.version = state.version;
    this.unsent = new Set(state.unsent);
    this.settle();
    this.ended = state.ended;
    this.take(state);
  }

  /** A decision that the command no longer has is recorded, undone, or in its notices. */
  settle() {
    for (const [id, { isKept }] of this.open) if (isKept && !this.unsent.has(id)) this.open.delete(id);
  }

  /** Decisions that the command does not have. */
  undelivered() {
    return [...this.open.values()].filter(({ isKept }) => !isKept);
  }

  lose() {
    if (this.connect || this.ended) return;
    this.connected = new Promise((found) => { this.connect = found; });
    this.following.abort();
    this.connection(false);
  }

  find() {
    if (!this.connect) return;
    this.connect();
    this.connect = null;
    this.connection(true);
  }

  /** Close the page, and send the decisions that the command does not have. */
  close() {
    if (this.ended) return;
    const decisions = this.undelivered().map(({ isKept, ...decision }) => decision);
    request("/close", { method: "POST", body: JSON.stringify({ decisions }), keepalive: true }).catch(() => {});
  }
}

function pause() {
  return new Promise((over) => { setTimeout(over, RETRY); });
}

/** Yield the lines of a stream. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}
