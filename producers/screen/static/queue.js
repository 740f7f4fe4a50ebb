// The tablet's queue: reviews, linked and kept until the gateway has answered for each of them.

import { BEGINNING, linked, same } from "./chain.js";
import { answer, change, read } from "./database.js";

export const HEAD = "head";
const ROOM = 64 * 1024; // characters: the largest event that the contract allows

// Keep a review as the chain's next event; resolves once it is on disk. Rejects if it cannot be kept: then nothing is.
// The digest is computed outside of the transaction (which would not wait for it), so the head may have moved: then anew.
export async function append(review) {
  for (;;) {
    const before = (await read("kept", (store) => store.get(HEAD))) ?? BEGINNING;
    const { text, head } = await linked(before, review);
    const event = { seq: head.seq, id: review.event_id, time: review.submitted_at, text };
    if (await advance(before, head, event)) return event;
  }
}

// Number, head and event change together or not at all. False if the head is no longer the one that was linked to.
function advance(before, head, event) {
  return change(["kept", "waiting"], async (transaction) => {
    const kept = transaction.objectStore("kept");
    if (!same((await answer(kept.get(HEAD))) ?? BEGINNING, before)) return false;
    kept.put(head, HEAD);
    await answer(transaction.objectStore("waiting").add(event));
    return true;
  });
}

// The first events that wait, in order.
export function first(limit) {
  return read("waiting", (store) => store.getAll(null, limit));
}

// These were acknowledged, each of them: they go.
export function acknowledged(events) {
  return change(["waiting"], async (transaction) => {
    for (const { seq } of events) transaction.objectStore("waiting").delete(seq);
  });
}

// The gateway will never take this one: it is set aside with its reason, and not sent again.
export function refused(event, reason) {
  return change(["waiting", "refused"], async (transaction) => {
    transaction.objectStore("waiting").delete(event.seq);
    transaction.objectStore("refused").put({ ...event, reason });
  });
}

export async function counts() {
  return {
    waiting: await read("waiting", (store) => store.count()),
    refused: await read("refused", (store) => store.count()),
  };
}

// Rejects if the tablet could not keep a review now.
export function check() {
  return change(["kept"], async (transaction) => {
    const kept = transaction.objectStore("kept");
    await answer(kept.put("0".repeat(ROOM), "room"));
    kept.delete("room");
  });
}
