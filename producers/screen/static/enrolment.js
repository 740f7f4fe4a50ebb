// Who this tablet is. The enrolment link has a ticket in its fragment, which the gateway exchanges for a secret, once; the
// secret is kept as a key that can sign and not be read.

import { fromBase64Url } from "./bytes.js";
import { answer, change, read } from "./database.js";
import { problem } from "./gateway.js";
import { HEAD } from "./queue.js";
import { ALGORITHM } from "./signing.js";

const DEVICE = "device";
const PATH = "/terminal/enrol";
const TRIES = 10; // one a second: a device that was registered a moment ago is known within two

const REFUSED = {
  ticket_used: "登记链接只能使用一次，这个链接已经用过。",
  ticket_expired: "登记链接的有效时间是 15 分钟，这个链接已经过期。",
  device_revoked: "这台评价器已经停用。",
};
const ANOTHER = "请管理员用 hcp device rotate 生成新的链接。";

// Why a link cannot be taken, in words for the person who opened it.
export class Unfit extends Error {}

// The device as it is kept: {id, keyId, key, profile}; undefined if the tablet is not enrolled.
export function current() {
  return read("kept", (store) => store.get(DEVICE));
}

// Take the enrolment out of the address, if there is one. Throws Unfit if it is none, or if reviews of another device wait.
// The link stays in the address while the gateway cannot be reached: it has not been used yet.
export async function taken(location, history) {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.has("ticket")) return;
  const forget = () => history.replaceState(null, "", location.pathname);
  try {
    await fits(link.get("device"));
    const { device_id: id, key_id: keyId, secret } = await exchanged(link.get("ticket"));
    await enrol({ id, keyId, key: await imported(secret) });
  } catch (error) {
    if (!(error instanceof Unreached)) forget();
    throw error;
  }
  forget();
}

class Unreached extends Unfit {}

// What the gateway gives for a ticket. Throws Unfit.
async function exchanged(ticket) {
  const headers = { authorization: `Bearer ${ticket}` };
  for (let tried = 1; ; tried += 1) {
    const given = await fetch(PATH, { method: "POST", headers, cache: "no-store" }).catch(() => undefined);
    if (given?.ok) return given.json();
    const { kind } = given ? await problem(given) : {};
    if (kind && given.status !== 503) throw new Unfit(`${REFUSED[kind] ?? "登记链接已损坏。"}${ANOTHER}`);
    if (tried === TRIES) throw new Unreached("连不上评价网关。请检查网络，然后重新打开本页。");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function imported(secret) {
  try {
    return await crypto.subtle.importKey("raw", fromBase64Url(secret), ALGORITHM, false, ["sign"]);
  } catch {
    throw new Unfit("登记没有成功，请管理员用 hcp device rotate 生成新的链接。");
  }
}

// A new key of the same device goes on with its chain; another device begins another one.
function enrol(device) {
  return change(["kept", "waiting"], async (transaction) => {
    const before = await replaceable(transaction, device.id);
    const kept = transaction.objectStore("kept");
    const same = before?.id === device.id;
    if (!same) kept.delete(HEAD);
    kept.put({ ...device, profile: same ? before.profile : undefined }, DEVICE);
  });
}

// Before the link is used up.
function fits(id) {
  return change(["kept", "waiting"], (transaction) => replaceable(transaction, id));
}

// The device before. Throws Unfit if reviews of it wait, and it is another one.
async function replaceable(transaction, id) {
  const before = await answer(transaction.objectStore("kept").get(DEVICE));
  const waiting = await answer(transaction.objectStore("waiting").count());
  if (before && before.id !== id && waiting) {
    throw new Unfit(`本机还有 ${waiting} 条评价没有发送，发送完成后才能登记为另一台评价器。`);
  }
  return before;
}

// What the gateway says of this device, {name, channel, hall_code}: kept, so that the tablet knows it offline.
export function introduced(profile) {
  return change(["kept"], async (transaction) => {
    const kept = transaction.objectStore("kept");
    kept.put({ ...(await answer(kept.get(DEVICE))), profile }, DEVICE);
  });
}
