// The browser's side of jwtauth's ready-made routes. Types and comments for people are in client.d.ts.

/** The routes are beside this file. */
const routes = new URL('.', import.meta.url);
/** Other tabs, unless the browser has none to offer: a frame may not have what others share. */
let channel;
try {
  channel = new BroadcastChannel('jwtauth ' + routes.href);
} catch {
  // This tab is alone.
}
const listeners = new Set();
let renewing;
/** When somebody has logged in, here or in another tab, by the clock of this page. */
let loggedInAt = -Infinity;
/** When there were new tokens, by a login or by a renewal, here or in another tab. */
let renewedAt = -Infinity;
let isOver = false;
/** Whose session this page takes it for: an id, '' for somebody, null for nobody, and nothing until the page has asked. */
let known;
/** What was refused since the session is over: if one of these is let in, there is a session again. */
const refusedAt = new Set();

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

/** There is a session, whoever has logged in. */
function goOn() {
  isOver = false;
  refusedAt.clear();
}

function tell(change, elsewhere) {
  if (change === 'end' && isOver) return;
  isOver = true;
  known = change === 'login' ? '' : null;
  if (change === 'login') {
    goOn();
    loggedInAt = renewedAt = performance.now();
  }
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
  if (data === 'renewed') {
    renewedAt = performance.now();
    goOn();
  } else if (data === 'login' || data === 'logout' || data === 'end') tell(data, true);
});

/** Lets one tab at a time do something, where the browser can. */
async function alone(what) {
  let done;
  const once = () => (done ??= what());
  try {
    await navigator.locks?.request('jwtauth ' + routes.href, once);
  } catch {
    // A frame may have no locks. What has failed itself is thrown below.
  }
  return once();
}

/**
 * Gets newer tokens than a refused request had, which left at `since`: once for all who ask, in other tabs too. Returns the
 * refusal of the server, or nothing if there are new ones: this or another tab has renewed them, or somebody has logged in.
 */
function renew(since) {
  if (renewedAt >= since) return undefined;
  renewing ??= (async () => {
    const ask = async () => {
      // While this one waited for its turn.
      if (renewedAt >= since) return undefined;
      const answer = await post('refresh');
      if (answer.ok) {
        renewedAt = performance.now();
        channel?.postMessage('renewed');
        goOn();
      }
      // If somebody has logged in meanwhile, a refusal was about the session before.
      return renewedAt >= since ? undefined : answer;
    };
    try {
      return await alone(ask);
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
  known = idOf(user);
  return user;
}

export async function logout({ everywhere = false } = {}) {
  const answer = await post(everywhere ? 'logout_all' : 'logout');
  if (!answer.ok) {
    const why = await problem(answer);
    // Who has no cookies is logged out here. Of other devices that says nothing.
    if (everywhere || why.code !== 'not_authenticated') {
      if (answer.status === 401 && [...ABOUT_TOKENS, ...ABOUT_USER].includes(why.code)) tell('end');
      throw why;
    }
  }
  tell('logout');
}

export async function user() {
  const who = await whoIsIt();
  known = idOf(who);
  return who;
}

/** What tells people apart, as far as the server shows it. */
const idOf = (who) => (who === null ? null : String(who?.id ?? ''));

/** Asks the server. */
async function whoIsIt() {
  const answer = await renewed(new URL('me', routes), { headers: { accept: 'application/json' } });
  if (answer.isOver) return null;
  if (!answer.response.ok) throw await problem(answer.response);
  goOn();
  return answer.response.json();
}

/**
 * Nothing but this script tells other tabs: a page of the server that logs in or out cannot. So whoever comes back to this
 * page has it look.
 */
let looking = false;
async function look() {
  if (looking || document.hidden || known === undefined || listeners.size === 0) return;
  looking = true;
  const asked = performance.now();
  try {
    const now = idOf(await whoIsIt());
    // A login meanwhile knows better.
    if (loggedInAt > asked) return;
    const isSame = now === known || (now !== null && known !== null && (now === '' || known === ''));
    if (!isSame) tell(now === null ? 'end' : 'login');
    known = now;
  } catch {
    // A server that does not say.
  } finally {
    looking = false;
  }
}
document.addEventListener('visibilitychange', look);
window.addEventListener('focus', look);
window.addEventListener('pageshow', ({ persisted }) => persisted && look());

export async function fetch(input, init) {
  const { response, isOver, what } = await renewed(input, init);
  if (isOver) {
    tell('end');
    if (refusedAt.size < 100) refusedAt.add(what);
  } else if (response.ok && refusedAt.has(what)) goOn();
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
 * Sends a request, and once more with new tokens if they have expired. Returns the answer, whether nobody is logged in
 * any more, and what was asked for. A server that cannot be asked says nothing about that.
 */
async function renewed(input, init) {
  const isRequest = input instanceof Request;
  const { origin } = new URL(isRequest ? input.url : input, document.baseURI);
  // Other sites get what they would get without this module.
  const usual = {};
  if (credentials === 'include' && origin === routes.origin && (!isRequest || input.credentials === 'same-origin')) {
    usual.credentials = credentials;
    // Any setting resets these, so they are given too, unless the caller has settings.
    if (isRequest && !Object.keys(init ?? {}).length) {
      Object.assign(usual, { referrer: input.referrer, referrerPolicy: input.referrerPolicy });
    }
  }
  // A body that is a stream can be sent once only.
  const again = new Request(input, { ...usual, ...init });
  const what = again.method + ' ' + again.url;
  const left = performance.now();
  let response = await window.fetch(again.clone());
  if (origin !== location.origin && origin !== routes.origin) return { response, isOver: false, what };
  let why = await refusal(response);
  if (ABOUT_TOKENS.includes(why)) {
    const refused = await orAborted(renew(left), again.signal);
    // A proxy that says 401 has no code, and knows nothing of the session.
    if (refused) return { response, isOver: (await refusal(refused)) !== '', what };
    // It may be somebody else who has logged in since, and what changes something was meant for the one before.
    if (loggedInAt >= left && !['GET', 'HEAD'].includes(again.method)) return { response, isOver: false, what };
    response = await window.fetch(again);
    why = await refusal(response);
  }
  return { response, isOver: ABOUT_USER.includes(why), what };
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
