// A signed request, as the gateway reads it: method, path, time, nonce and the SHA-256 of the body, one a line.

import { encode, hex, random, sha256, toBase64Url } from "./bytes.js";

export const ALGORITHM = { name: "HMAC", hash: "SHA-256" };

// The six headers. `device`: {id, keyId, key}; `body`: bytes; `at`: Unix milliseconds of the time that is signed.
export async function signature(device, method, path, body, at) {
  const time = String(Math.floor(at / 1000));
  const nonce = toBase64Url(random(18));
  const said = [method, path, time, nonce, await sha256(body)].join("\n");
  return {
    "hcp-device": device.id,
    "hcp-key": device.keyId,
    "hcp-time": time,
    "hcp-nonce": nonce,
    "hcp-algorithm": "hmac-sha256",
    "hcp-signature": hex(await crypto.subtle.sign("HMAC", device.key, encode(said))),
  };
}
