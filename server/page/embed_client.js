// embed_client.js - requests to the server: the key, retries, vectors in batches, what they took.
import {vectorOfBase64} from "/page/vector_math.js";

const BATCH = 32, AT_ONCE = 4, MOST_TRIES = 4;
const KEY = "sutra-key";

// status 0: there was no answer.
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const storedKey = () => sessionStorage.getItem(KEY) ?? "";
export const storeKey = key => key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY);

async function ask(path, options = {}) {
  const key = storedKey(), headers = {...options.headers};
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer;
  try {
    answer = await fetch(path, {...options, headers, cache: "no-store"});
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let message = text;
  try {
    message = JSON.parse(text).error.message ?? text;
  } catch { /* not JSON: as it is */ }
  const error = new ApiError(answer.status, message || `Status ${answer.status}`);
  error.retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  throw error;
}

export const listModels = async () => (await (await ask("/v1/models")).json()).data;

// {name: value} of what has no labels
export async function readMetrics() {
  const text = await (await ask("/metrics")).text();
  return Object.fromEntries([...text.matchAll(/^([a-z_]+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, {once: true});
  });
}

// A batch's {vectors, tokens, truncated, milliseconds}. A full queue is come back to when the server says.
async function embedBatch(texts, model, truncate, {signal, onWait}) {
  const body = JSON.stringify({input: texts, model, truncate, encoding_format: "base64"});
  for (let tries = 1; ; tries++) {
    const begin = performance.now();
    try {
      const answer = await ask("/v1/embeddings", {method: "POST", headers: {"Content-Type": "application/json"}, body, signal});
      const json = await answer.json();
      return {
        vectors: json.data.map(row => vectorOfBase64(row.embedding)),
        tokens: json.usage.total_tokens,
        truncated: json.truncated ?? 0,
        milliseconds: performance.now() - begin,
      };
    } catch (error) {
      if (![429, 503].includes(error.status) || tries === MOST_TRIES) throw error;
      const seconds = Math.max(1, error.retryAfter);
      onWait(seconds);
      await sleep(1000 * seconds, signal);
    }
  }
}

// All texts, in order; onBatch is told of each batch as it comes.
export async function embedTexts(texts, model, truncate, {signal, onBatch, onWait}) {
  const starts = [], vectors = new Array(texts.length);
  for (let start = 0; start < texts.length; start += BATCH) starts.push(start);
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  const worker = async () => {
    while (starts.length > 0) {
      const start = starts.shift();
      const batch = await embedBatch(texts.slice(start, start + BATCH), model, truncate, {signal: all, onWait});
      batch.vectors.forEach((vector, i) => { vectors[start + i] = vector; });
      onBatch(batch);
    }
  };
  try {
    await Promise.all(Array.from({length: Math.min(AT_ONCE, starts.length)}, worker));
  } finally {
    stop.abort();
  }
  return vectors;
}
