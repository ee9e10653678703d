// Requests to the server. One that finds the queue full waits as long as the server says, then asks again.

const TRIES = 20;

/** What the server says about a request that it did not serve. */
export class Refusal extends Error {}

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/** The response to an action of a room: plain data, or a Blob for files.
 * options.signal: of an AbortController. options.waiting: called with the seconds until the next try. */
export async function ask(room, action, fields, { signal, waiting } = {}) {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(`/api/${room}/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
      signal,
    }).catch((error) => {
      throw error.name === "AbortError" ? error : new Refusal("The server does not answer. Is it still running?");
    });
    if (response.status === 503 && tries < TRIES) {
      const seconds = Number(response.headers.get("Retry-After")) || 2;
      waiting?.(seconds);
      await pause(seconds * (0.75 + 0.5 * Math.random()), signal);
      continue;
    }
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    if (response.ok) return isJson ? response.json() : response.blob();
    throw new Refusal(isJson ? (await response.json()).error : `The server says ${response.status}.`);
  }
}

export const rooms = async () => (await (await fetch("/api/rooms")).json()).rooms;

/** The address of a picture of a room's model. */
export const picture = (room, model, name) =>
  `/pictures/${encodeURIComponent(room)}/${encodeURIComponent(model)}/${encodeURIComponent(name)}.png`;
