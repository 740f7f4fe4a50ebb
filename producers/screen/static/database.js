// The tablet's database (IndexedDB): `kept` for what there is one of, by name; `waiting` and `refused` for events, by number.

const NAME = "hcp-terminal";
const VERSION = 1;

let opened;

// The database, opened again if the browser closed it. Rejects if the browser has none to give.
export function database() {
  opened ??= open().catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

function open() {
  const request = indexedDB.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("kept");
    request.result.createObjectStore("waiting", { keyPath: "seq" });
    request.result.createObjectStore("refused", { keyPath: "seq" });
  };
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      request.result.onclose = () => (opened = undefined);
      resolve(request.result);
    };
  });
}

// What a request answers, within its transaction.
export function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Run `work` on a transaction over these stores; resolves with its result once everything is on disk, or rejects and
// nothing has changed. `work` may await nothing but requests of this transaction.
export async function change(stores, work) {
  const transaction = (await database()).transaction(stores, "readwrite", { durability: "strict" });
  const finished = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
  const result = work(transaction).catch((error) => {
    finished.catch(() => {}); // what is wrong is said once
    abort(transaction);
    throw error;
  });
  const done = await result;
  await finished;
  return done;
}

function abort(transaction) {
  try {
    transaction.abort();
  } catch {
    // it already is
  }
}

export async function read(store, ask) {
  return answer(ask((await database()).transaction(store).objectStore(store)));
}
