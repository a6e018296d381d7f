/**
 * Requests to the service. In: a path below the page's own address. Out: an answer with a status of success, or an
 * `ApiError` with the service's own message. The key that the person entered goes with each.
 */
import { withKey } from "./key.js";

export class ApiError extends Error {
  constructor(status, { message, code = null, param = null } = {}, retryAfter = null) {
    super(message ?? `The service answered with status ${status}.`);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.param = param;
    /** Seconds, where the service named them. */
    this.retryAfter = retryAfter;
  }
}

/** Of a request that is answered at once, in milliseconds: one that a network lost ends, and can be sent again. */
export const TIMEOUT = 10_000;

/**
 * The answer to a request; `options` are those of `fetch`, and `timeout`, milliseconds of one request. Asks for the
 * key where one is needed, and sends it again.
 */
export async function call(path, { timeout, ...options } = {}) {
  const answer = await withKey((key) => {
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const signal = timeout === undefined ? options.signal : AbortSignal.timeout(timeout);
    return fetch(path, { ...options, signal, headers });
  }, options.signal);
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const again = Number(answer.headers.get("Retry-After"));
  throw new ApiError(answer.status, body.error, again > 0 ? again : null);
}

export const getJson = async (path, options = {}) => (await call(path, { cache: "no-store", ...options })).json();

export const postJson = (path, body, options = {}) =>
  call(path, {
    ...options,
    method: "POST",
    headers: { ...options.headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

export const postForm = (path, form, options = {}) => call(path, { ...options, method: "POST", body: form });
