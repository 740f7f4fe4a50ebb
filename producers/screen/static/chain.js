// The chain of a device's events: each carries its number and the SHA-256 of the event before, as it was sent.

import { encode, sha256 } from "./bytes.js";

export const BEGINNING = { seq: 0, digest: "" };

// The event's JSON text, to be kept and sent exactly so, and the chain's head once it is kept.
export async function linked(head, review) {
  const before = head.digest ? { device_prev: head.digest } : {};
  const text = JSON.stringify({ ...review, device_seq: head.seq + 1, ...before });
  return { text, head: { seq: head.seq + 1, digest: await sha256(encode(text)) } };
}

export const same = (one, other) => one.seq === other.seq && one.digest === other.digest;
