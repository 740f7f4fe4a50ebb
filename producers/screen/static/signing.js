// A signed request, as the gateway reads it: version, method, path, time, nonce, the SHA-256 of the body, and the headers
// content-type and ce-*, one a line.

import { encode, hex, random, sha256, toBase64Url } from "./bytes.js";

export const ALGORITHM = { name: "HMAC", hash: "SHA-256" };

const VERSION = "2";
const COVERED = /^(content-type|ce-.*)$/;

// All headers of a request: `headers`, each once and in ASCII, and those of its signature. `device`: {id, keyId, key};
// `body`: bytes; `at`: Unix milliseconds of the time that is signed.
export async function signed(device, method, path, body, headers, at) {
  const time = String(Math.floor(at / 1000));
  const nonce = toBase64Url(random(18));
  const said = [VERSION, method, path, time, nonce, await sha256(body), ...lines(headers)].join("\n");
  return {
    ...headers,
    "hcp-device": device.id,
    "hcp-key": device.keyId,
    "hcp-time": time,
    "hcp-nonce": nonce,
    "hcp-version": VERSION,
    "hcp-algorithm": "hmac-sha256",
    "hcp-signature": hex(await crypto.subtle.sign("HMAC", device.key, encode(said))),
  };
}

function lines(headers) {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.trim()]);
  const covered = named.filter(([name]) => COVERED.test(name));
  return covered.map(([name, value]) => `${name}:${value}`).sort();
}
