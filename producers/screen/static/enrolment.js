// Who this tablet is. Its secret comes in the fragment of the enrolment link, which never leaves the browser, and is
// kept as a key that can sign and not be read.

import { fromBase64Url } from "./bytes.js";
import { answer, change, read } from "./database.js";
import { HEAD } from "./queue.js";
import { ALGORITHM } from "./signing.js";

const DEVICE = "device";

// Why a link cannot be taken, in words for the person who opened it.
export class Unfit extends Error {}

// The device as it is kept: {id, keyId, key, profile}; undefined if the tablet is not enrolled.
export function current() {
  return read("kept", (store) => store.get(DEVICE));
}

// Take the enrolment out of the address, if there is one. Throws Unfit if it is none, or if reviews of another device wait.
export async function taken(location, history) {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.has("secret")) return;
  history.replaceState(null, "", location.pathname);
  const [id, keyId] = [link.get("device"), link.get("key")];
  if (!id || !keyId) throw new Unfit("登记链接不完整，请重新打开完整的登记链接。");
  await enrol({ id, keyId, key: await imported(link.get("secret")) });
}

async function imported(secret) {
  try {
    return await crypto.subtle.importKey("raw", fromBase64Url(secret), ALGORITHM, false, ["sign"]);
  } catch {
    throw new Unfit("登记链接已损坏，请重新打开完整的登记链接。");
  }
}

// A new key of the same device goes on with its chain; another device begins another one.
function enrol(device) {
  return change(["kept", "waiting"], async (transaction) => {
    const kept = transaction.objectStore("kept");
    const before = await answer(kept.get(DEVICE));
    const waiting = await answer(transaction.objectStore("waiting").count());
    const same = before?.id === device.id;
    if (before && !same && waiting) {
      throw new Unfit(`本机还有 ${waiting} 条评价没有发送，发送完成后才能登记为另一台评价器。`);
    }
    if (!same) kept.delete(HEAD);
    kept.put({ ...device, profile: same ? before.profile : undefined }, DEVICE);
  });
}

// What the gateway says of this device, {name, channel, hall_code}: kept, so that the tablet knows it offline.
export function introduced(profile) {
  return change(["kept"], async (transaction) => {
    const kept = transaction.objectStore("kept");
    kept.put({ ...(await answer(kept.get(DEVICE))), profile }, DEVICE);
  });
}
