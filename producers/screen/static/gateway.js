// The gateway, as this tablet speaks with it: every request signed, at the gateway's time if the tablet's clock is wrong.

import { signed } from "./signing.js";

const NOTHING = new Uint8Array();
const PROBLEM = "urn:hcp:problem:";

export class Gateway {
  #ahead = 0; // milliseconds by which the gateway's clock is ahead of ours, once it has said that ours is wrong

  // `clockIsWrong` is told when the gateway says so of ours.
  constructor(device, clockIsWrong) {
    Object.assign(this, { device, clockIsWrong });
  }

  // The answer to a signed request. Rejects if there is no net.
  async ask(method, path, { body = NOTHING, headers = {}, signal } = {}) {
    const once = () => this.#once(method, path, body, headers, signal);
    const answer = await once();
    return (await this.#clockWasWrong(answer)) ? once() : answer;
  }

  async #once(method, path, body, headers, signal) {
    const all = await signed(this.device, method, path, body, headers, Date.now() + this.#ahead);
    const sent = method === "GET" ? undefined : body;
    return fetch(path, { method, body: sent, headers: all, signal, cache: "no-store" });
  }

  async #clockWasWrong(answer) {
    if (answer.status !== 401) return false;
    const { kind } = await problem(answer.clone());
    const there = Date.parse(answer.headers.get("date"));
    if (kind !== "clock_skew" || Number.isNaN(there)) return false;
    this.#ahead = there - Date.now();
    this.clockIsWrong();
    return true;
  }
}

// A problem document of the gateway, with its `kind`; one of anybody else (a proxy's, a portal's) has none.
export async function problem(answer) {
  const said = await answer.json().catch(() => ({}));
  const kind = String(said?.type).startsWith(PROBLEM) ? said.type.slice(PROBLEM.length) : "";
  return { ...said, kind };
}
