// The browser's side of jwtauth's ready-made routes. Types and comments for people are in client.d.ts.

/** The routes are beside this file. */
const routes = new URL('.', import.meta.url);
const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('jwtauth ' + routes.href) : undefined;
const listeners = new Set();
let renewing;
/** When somebody has logged in, here or in another tab, by the clock of this page. */
let loggedInAt = -Infinity;
/** When another tab has renewed the tokens, by the clock of this page. */
let renewedElsewhere = -Infinity;
let isOver = false;

export class Problem extends Error {
  constructor(body, status) {
    super(typeof body.detail === 'string' ? body.detail : 'The server has answered ' + status);
    this.name = 'Problem';
    this.status = status;
    this.code = typeof body.code === 'string' ? body.code : '';
    this.body = body;
  }
}

/** How requests to the routes' own site bring its cookies, also from a page of another site. */
const credentials = routes.origin === location.origin ? 'same-origin' : 'include';
const post = (path, body) =>
  window.fetch(new URL(path, routes), {
    credentials,
    // A server that hangs must not hold up other tabs.
    signal: AbortSignal.timeout(20_000),
    method: 'POST',
    headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });

async function problem(answer) {
  let body = {};
  try {
    body = await answer.clone().json();
  } catch {
    // A proxy may have answered.
  }
  return new Problem(Object(body), answer.status);
}

function tell(change, elsewhere) {
  if (change === 'end' && isOver) return;
  isOver = change !== 'login';
  if (!isOver) loggedInAt = performance.now();
  if (!elsewhere) channel?.postMessage(change);
  for (const listener of listeners) {
    try {
      listener(change);
    } catch (error) {
      reportError(error);
    }
  }
}
channel?.addEventListener('message', ({ data }) => {
  if (data === 'renewed') renewedElsewhere = performance.now();
  else if (data === 'login' || data === 'logout' || data === 'end') tell(data, true);
});

/**
 * Renews the tokens once for all who ask at the same time, in other tabs too. Returns the answer, or `true` if there are new
 * tokens already: another tab has renewed them, or somebody has logged in.
 */
function renew() {
  renewing ??= (async () => {
    const since = performance.now();
    const ask = async () => {
      // While this one waited for its turn.
      if (renewedElsewhere >= since) return true;
      const answer = await post('refresh');
      if (answer.ok) channel?.postMessage('renewed');
      // It was about the session before: somebody has logged in meanwhile.
      return answer.status === 401 && loggedInAt >= since ? true : answer;
    };
    try {
      return await (navigator.locks ? navigator.locks.request('jwtauth ' + routes.href, ask) : ask());
    } finally {
      renewing = undefined;
    }
  })();
  return renewing;
}

export async function login(username, password, fields = {}) {
  const answer = await post('obtain', { ...fields, username, password });
  if (!answer.ok) throw await problem(answer);
  const { user } = await answer.json();
  tell('login');
  return user;
}

export async function logout({ everywhere = false } = {}) {
  const answer = await post(everywhere ? 'logout_all' : 'logout');
  if (!answer.ok) {
    const why = await problem(answer);
    // Who has no cookies is logged out here. Of other devices that says nothing.
    if (everywhere || why.code !== 'not_authenticated') throw why;
  }
  tell('logout');
}

export async function user() {
  const answer = await renewed(new URL('me', routes), { headers: { accept: 'application/json' } });
  if (answer.isOver) return null;
  if (!answer.response.ok) throw await problem(answer.response);
  isOver = false;
  return answer.response.json();
}

export async function fetch(input, init) {
  const { response, isOver } = await renewed(input, init);
  if (isOver) tell('end');
  return response;
}

/** The refusals that new tokens may help against, */
const ABOUT_TOKENS = ['not_authenticated', 'token_expired', 'token_not_valid'];
/** and those that only another login helps against. Any other 401 is not about the session. */
const ABOUT_USER = ['user_inactive', 'user_not_found'];

/** Returns why a login is needed, or nothing. */
const refusal = async (answer) => (answer.status === 401 ? (await problem(answer)).code : '');

/** Waits for what others wait for too, but no longer than the caller wants. */
const orAborted = (promise, signal) =>
  Promise.race([
    promise,
    new Promise((_, reject) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  ]);

/**
 * Sends a request, and once more with new tokens if they have expired. Returns the answer, and whether nobody is logged in
 * any more. A server that cannot be asked says nothing about that.
 */
async function renewed(input, init) {
  const isRequest = input instanceof Request;
  const { origin } = new URL(isRequest ? input.url : input, document.baseURI);
  // Other sites get what they would get without this module.
  const usual = origin === routes.origin && (!isRequest || input.credentials === 'same-origin') ? { credentials } : {};
  // A body that is a stream can be sent once only.
  const again = new Request(input, { ...usual, ...init });
  let response = await window.fetch(again.clone());
  if (origin !== location.origin && origin !== routes.origin) return { response, isOver: false };
  let why = await refusal(response);
  if (ABOUT_TOKENS.includes(why)) {
    const renewal = await orAborted(renew(), again.signal);
    // A proxy that says 401 has no code, and knows nothing of the session.
    if (renewal !== true && !renewal.ok) return { response, isOver: (await refusal(renewal)) !== '' };
    response = await window.fetch(again);
    why = await refusal(response);
  }
  return { response, isOver: ABOUT_USER.includes(why) };
}

export async function json(input, init) {
  const answer = await fetch(input, init);
  if (!answer.ok) throw await problem(answer);
  const text = await answer.text();
  return text === '' ? undefined : JSON.parse(text);
}

export function onChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
