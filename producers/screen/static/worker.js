// The service worker: keeps the page's files, all of one version, and gives them out with or without the net. Never
// answers for the API. VERSION and SHELL are written above this line by the gateway.

const CACHE = `hcp-terminal-${VERSION}`;

addEventListener("install", (event) => {
  event.waitUntil(keep());
});

addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(kept(SHELL[0], request));
  else if (SHELL.includes(pathname)) event.respondWith(kept(pathname, request));
});

// The page says that nobody is using it: the version that waits may take over.
addEventListener("message", ({ data }) => {
  if (data === "take over") skipWaiting();
});

// All or nothing: a version of which a file is missing is not installed.
async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((path) => new Request(path, { cache: "reload" })));
}

async function forgetOthers() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("hcp-terminal-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim(); // also of the page that brought us: the next version waits for it
}

async function kept(path, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}
