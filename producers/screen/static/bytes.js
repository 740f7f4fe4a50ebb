// Bytes and their words: UTF-8, hexadecimal, base64url, SHA-256, random.

const utf8 = new TextEncoder();

export const encode = (text) => utf8.encode(text);

export const hex = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function sha256(bytes) {
  return hex(await crypto.subtle.digest("SHA-256", bytes));
}

export const random = (size) => crypto.getRandomValues(new Uint8Array(size));

export function toBase64Url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Throws if it is none.
export function fromBase64Url(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

// A new UUIDv7 (RFC 9562): ids of one device lie side by side in an index.
export function uuid7(milliseconds = Date.now()) {
  const time = milliseconds.toString(16).padStart(12, "0");
  const chance = random(10);
  chance[0] = 0x70 | (chance[0] & 0x0f);
  chance[2] = 0x80 | (chance[2] & 0x3f);
  const rest = hex(chance);
  return [time.slice(0, 8), time.slice(8), rest.slice(0, 4), rest.slice(4, 8), rest.slice(8)].join("-");
}
