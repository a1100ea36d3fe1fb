// The browser's side of jwtauth's ready-made routes. Types and comments for people are in client.d.ts.

/** The routes are beside this file. */
const routes = new URL('.', import.meta.url);
const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('jwtauth ' + routes.href) : undefined;
const listeners = new Set();
let renewing;
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

const send = (url, init) => window.fetch(url, { credentials: routes.origin === location.origin ? 'same-origin' : 'include', ...init });
const post = (path, body) =>
  send(new URL(path, routes), {
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
  if (!elsewhere) channel?.postMessage(change);
  for (const listener of listeners) listener(change);
}
channel?.addEventListener('message', ({ data }) => {
  if (data === 'renewed') renewedElsewhere = performance.now();
  else tell(data, true);
});

/** Renews the tokens once for all who ask at the same time, in other tabs too. */
function renew() {
  renewing ??= (async () => {
    const since = performance.now();
    const ask = async () => {
      // While this one waited for its turn.
      if (renewedElsewhere >= since) return true;
      const { ok } = await post('refresh');
      if (ok) channel?.postMessage('renewed');
      return ok;
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
  // Somebody who is not logged in is logged out.
  if (!answer.ok && answer.status !== 401) throw await problem(answer);
  tell('logout');
}

export async function user() {
  const answer = await renewed(new URL('me', routes), { headers: { accept: 'application/json' } });
  if (answer.status === 401) return null;
  if (!answer.ok) throw await problem(answer);
  return answer.json();
}

export async function fetch(input, init) {
  const answer = await renewed(input, init);
  if (answer.status === 401 && !(await isAboutLogin(answer))) tell('end');
  return answer;
}

/** Tells whether a 401 is about a password, or a login that is too old, and not about the session. */
async function isAboutLogin(answer) {
  const { code } = await problem(answer);
  return code === 'fresh_login_required' || code === 'invalid_credentials';
}

/** Sends a request, and once more with new tokens if they have expired. */
async function renewed(input, init) {
  // A body that is a stream can be sent once only.
  const again = new Request(input, init);
  const answer = await send(again.clone());
  if (answer.status !== 401 || (await isAboutLogin(answer)) || !(await renew())) return answer;
  return send(again);
}

export async function json(input, init) {
  const answer = await fetch(input, init);
  if (!answer.ok) throw await problem(answer);
  return answer.status === 204 ? undefined : answer.json();
}

export function onChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
