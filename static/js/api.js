// @ts-check
// Requests to the API: JSON, the CSRF token from its cookie, and every failure as one kind of error.

export const API = "/api/v1/";

export class ApiError extends Error {
  constructor({ status, code, message, details = {}, retryAfterS = null }) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfterS = retryAfterS;
  }

  /** Nothing is known of what the server did: it was not reached, or its answer was lost. */
  get unreachable() {
    return this.code === "unreachable";
  }
}

/** `signal` aborts the request: the promise is rejected with its reason, a time-out as unreachable. */
export function getJson(path, signal = undefined) {
  return request(path, { method: "GET", signal });
}

/** `signal` as for `getJson`. */
export function postJson(path, body, headers = {}, signal = undefined) {
  return send("POST", path, body, headers, signal);
}

export function patchJson(path, body) {
  return send("PATCH", path, body);
}

/** Delete something. Whether it still existed does not matter. */
export async function deletePath(path) {
  const response = await reach(API + path, { method: "DELETE", headers: { "X-CSRFToken": csrfToken() } });
  if (!response.ok && response.status !== 404) throw errorOf(response.status, null);
}

function send(method, path, body, headers = {}, signal = undefined) {
  return request(path, {
    method,
    signal,
    body: JSON.stringify(body ?? {}),
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken(), ...headers },
  });
}

/** Return a piece of a page as text. */
export async function getFragment(url) {
  const response = await reach(url, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) {
    throw new ApiError({
      status: response.status,
      code: "fragment_failed",
      message: "This part of the page could not be loaded.",
    });
  }
  return response.text();
}

/** Return a key that no other request has. randomUUID exists only on https and localhost. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return a text that the API has. */
export async function getText(path) {
  const response = await reach(API + path, {});
  if (response.ok) return response.text();
  const body = await response.json().catch(() => null);
  throw errorOf(response.status, body, response.headers.get("Retry-After"));
}

async function request(path, options) {
  const response = await reach(API + path, options);
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw errorOf(response.status, body, response.headers.get("Retry-After"));
}

/** Return the error of a response. `body`: its JSON, null if it has none. */
export function errorOf(status, body, retryAfter = null) {
  return new ApiError({
    status,
    code: body?.error?.code ?? "unreadable",
    message: body?.error?.message ?? `The server answered ${status}.`,
    details: body?.error?.details ?? {},
    retryAfterS: Number(retryAfter) || null,
  });
}

async function reach(url, options) {
  try {
    return await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (!(error instanceof TypeError) && error.name !== "TimeoutError") throw error;
    throw unreachable();
  }
}

export function unreachable() {
  return new ApiError({ status: 0, code: "unreachable", message: "The server can't be reached." });
}

/** Return the token that a request needs which changes something. */
export function csrfToken() {
  const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("pantheon_csrf="));
  return cookie ? decodeURIComponent(cookie.slice("pantheon_csrf=".length)) : "";
}
