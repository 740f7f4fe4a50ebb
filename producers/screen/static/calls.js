// Invitations of the window's system, as they come: one long answer of the gateway (server-sent events), begun again
// whenever it ends. (EventSource cannot sign.)

import { problem } from "./gateway.js";
import { Pause } from "./pause.js";

const SILENCE = 40_000; // the gateway says something every 15 s

export class Calls {
  #pause = new Pause();
  #silence;

  // `heard(name, data)` for each event; `linked(state)` with "connected", "offline" or "refused".
  constructor(gateway, window, heard, linked) {
    Object.assign(this, { gateway, heard, linked });
    this.path = `/v1/terminals/${encodeURIComponent(window)}/invitations`;
  }

  async listen() {
    for (;;) {
      try {
        await this.#once();
        continue; // the gateway ends it now and then, to see the signature again
      } catch (error) {
        this.linked(error instanceof Refused ? "refused" : "offline");
      }
      await this.#pause.again();
    }
  }

  // The net is back: do not wait.
  wake() {
    this.#pause.wake();
  }

  // The net is gone: do not wait until that is noticed.
  drop() {
    this.#silence?.abort();
  }

  async #once() {
    this.#silence = new Silence();
    try {
      const answer = await this.gateway.ask("GET", this.path, { signal: this.#silence.signal });
      if (await isRefusal(answer)) throw new Refused();
      if (!isStream(answer)) throw new Error(`status ${answer.status}`);
      await this.#follow(answer.body);
    } finally {
      this.#silence.end();
    }
  }

  // To its end. Connected is who has heard something: a portal or a proxy in between answers 200, too.
  async #follow(body) {
    let begun = false;
    for await (const event of events(body, this.#silence)) {
      if (!begun) this.#begun();
      begun = true;
      if (event) this.heard(event.name, event.data);
    }
    if (!begun) throw new Error("an empty stream");
  }

  #begun() {
    this.#pause.succeeded();
    this.linked("connected");
  }
}

class Refused extends Error {}

// Of the gateway itself: a portal's 403 says nothing of the enrolment.
async function isRefusal(answer) {
  return (answer.status === 401 || answer.status === 403) && Boolean((await problem(answer)).kind);
}

function isStream(answer) {
  return answer.ok && /^text\/event-stream\b/i.test(answer.headers.get("content-type"));
}

// Gives up an answer that has become silent: a connection can be dead without saying so.
class Silence extends AbortController {
  #timer;

  constructor() {
    super();
    this.broken();
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(), SILENCE);
  }

  // Nobody waits for what is left of the answer.
  end() {
    clearTimeout(this.#timer);
    this.abort();
  }
}

// The named events of a body; nothing for a sign of life, a line that begins with a colon.
async function* events(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    silence.broken();
    const whole = (rest + value).split("\n\n");
    rest = whole.pop();
    yield* whole.map((text) => (text.startsWith(":") ? undefined : event(text)));
  }
}

function event(text) {
  const [, name, data] = text.match(/^event: (.*)\ndata: (.*)$/);
  return { name, data: JSON.parse(data) };
}
