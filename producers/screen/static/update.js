// The service worker, and how another version of the page comes: it is looked for now and then, waits until nobody is
// using the terminal, and then takes over.

const LOOK = 30 * 60_000;
const IDLE = 10_000;

// `idle` says whether nobody stands here.
export async function lookAfter(idle) {
  const registration = await navigator.serviceWorker?.register("/terminal/worker.js", { scope: "/terminal/" });
  if (!registration) return; // a browser without: the page works, and cannot be loaded without the net
  setInterval(() => registration.update().catch(() => {}), LOOK); // no net: the next time
  setInterval(() => idle() && takeOver(registration.waiting, idle), IDLE);
}

function takeOver(waiting, idle) {
  if (!waiting) return;
  waiting.addEventListener("statechange", () => {
    if (waiting.state === "activated" && idle()) location.reload();
  });
  waiting.postMessage("take over");
}
