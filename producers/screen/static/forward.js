// Sending: what waits goes to the gateway in order, in batches, and leaves the queue only when the gateway has said of
// that very event that it has it.

import { encode } from "./bytes.js";
import { problem } from "./gateway.js";
import { Pause } from "./pause.js";
import * as queue from "./queue.js";

const PATH = "/v1/events";
const HEADERS = { "content-type": "application/cloudevents-batch+json" };
const TYPE = "cn.gov.meixian.hcp.review.v1";
const AT_ONCE = 100;
const LOOK_AGAIN = 60_000; // nobody wakes us for what another page of this tablet has kept
const WHOLE = new Set([400, 413, 422]); // of a batch: something in it cannot be read. Any other status is not its fault
const TRY_AGAIN = new Set([408, 429]);

export class Forwarder {
  #pause = new Pause();
  #atOnce = AT_ONCE;

  // `changed` is told whenever the queue has become another.
  constructor(gateway, source, changed) {
    Object.assign(this, { gateway, source, changed });
  }

  // For ever; only one page of a browser sends at a time.
  run() {
    return navigator.locks.request("hcp-terminal-forward", () => this.#run());
  }

  // Something waits, or the net is back.
  wake() {
    this.#pause.wake();
  }

  async #run() {
    for (;;) {
      try {
        const left = await this.#drain();
        await (left ? this.#pause.again() : this.#pause.atMost(LOOK_AGAIN));
      } catch {
        await this.#pause.again(); // no net, no sense in the answer, or no database: try again
      }
    }
  }

  // Send until nothing waits; true if the gateway wants the rest later.
  async #drain() {
    for (;;) {
      const events = await queue.first(this.#atOnce);
      if (!events.length) return false;
      const later = await this.#send(events);
      this.changed();
      if (later) return true;
      this.#pause.succeeded();
    }
  }

  async #send(events) {
    const body = encode(batch(events, this.source));
    const answer = await this.gateway.ask("POST", PATH, { body, headers: HEADERS });
    if (answer.ok) return this.#settle(events, (await answer.json()).results);
    const said = await problem(answer);
    if (!WHOLE.has(answer.status) || !said.kind) return true;
    return this.#refusedWhole(events, said);
  }

  // Each event has an answer of its own, in their order. True if some are to be sent again.
  async #settle(events, results) {
    const answered = events.map((event, place) => ({ event, ...results[place] }));
    const taken = answered.filter(({ event, status, event_id }) => status === 202 && event_id === event.id);
    const refused = answered.filter(({ status }) => status >= 400 && status < 500 && !TRY_AGAIN.has(status));
    await queue.acknowledged(taken.map(({ event }) => event));
    for (const { event, problem: said } of refused) await queue.refused(event, said);
    this.#atOnce = AT_ONCE;
    return taken.length + refused.length < events.length;
  }

  // A batch that is refused as a whole goes event by event, until the one is found that the gateway will not take.
  async #refusedWhole(events, said) {
    const alone = events.length === 1;
    if (alone) await queue.refused(events[0], said);
    this.#atOnce = alone ? AT_ONCE : 1;
    return false;
  }
}

// The batch's JSON: each event's own text stands in it as it is kept, byte for byte.
function batch(events, source) {
  return `[${events.map((event) => envelope(event, source)).join(",")}]`;
}

function envelope({ id, time, text }, source) {
  const attributes = { specversion: "1.0", id, source, type: TYPE, time, datacontenttype: "application/json" };
  return `${JSON.stringify(attributes).slice(0, -1)},"data":${text}}`;
}
