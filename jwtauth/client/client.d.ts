// Types of client.js, the browser's side of jwtauth's ready-made routes. It needs a window: a worker has none.

/** What a login returns, and `user()`: with accounts `id`, `name`, `roles` and `scopes`; else what the server shows. */
export interface User {
  id: string;
  name?: string;
  roles: string[];
  scopes?: string[];
  [member: string]: unknown;
}

/** The codes of refusals that a page may want to tell apart. There are more. */
export type Code =
  | 'busy'
  | 'cross_origin'
  | 'fresh_login_required'
  | 'invalid_credentials'
  | 'invalid_request'
  | 'not_authenticated'
  | 'permission_denied'
  | 'rate_limited'
  | 'store_unavailable'
  | 'token_expired'
  | 'token_not_valid'
  | 'user_inactive'
  | (string & {});

/** A refusal of the server (RFC 9457). `message` is for people. */
export class Problem extends Error {
  /** @param body the body of the answer @param status its status */
  constructor(body: Record<string, unknown>, status: number);
  /** The status of the answer. */
  readonly status: number;
  /** Which refusal it is; empty if the answer says nothing. */
  readonly code: Code;
  /** The whole body. */
  readonly body: Record<string, unknown>;
}

/**
 * Logs in. Cookies are set; scripts see no token.
 *
 * @param fields other fields of the form, such as `device_id` or a second factor
 * @throws {Problem} `invalid_credentials`, `rate_limited` or another one
 */
export function login<U = User>(username: string, password: string, fields?: Record<string, unknown>): Promise<U>;

/**
 * Logs out: this browser, or every device of the user. A browser without cookies is logged out already.
 *
 * @throws {Problem} if the server could not do it: with `everywhere` also if it does not know the user any more
 */
export function logout(options?: { everywhere?: boolean }): Promise<void>;

/**
 * Returns who is logged in, or `null`.
 *
 * @throws {Problem} if the server does not say
 */
export function user<U = User>(): Promise<U | null>;

/**
 * Does what `window.fetch` does, with the cookies. If the answer is 401 with `token_expired`, `token_not_valid` or
 * `not_authenticated`, tokens are renewed, once for all calls and tabs whose requests left before, and the request is sent
 * again. If the server refuses to renew them, the session is over: `onChange` tells `end`, and the 401 is returned.
 *
 * If `login` was called meanwhile, in this tab or another one, somebody else may be logged in. Then a request other than
 * GET and HEAD is not sent again: its 401 is returned, and `onChange` has told `login`.
 */
export function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;

/**
 * Likewise, and returns the body as JSON; `undefined` if it is empty.
 *
 * @throws {Problem} for an answer that is not 2xx
 */
export function json<T = unknown>(input: RequestInfo | URL, init?: RequestInit): Promise<T>;

/**
 * What has happened, here or in another tab. `end`: a call of `fetch` or `json` needs a login, and there is none, or it
 * is over. It is told once, until the next login.
 *
 * Tabs tell each other what this script does. A login or logout without it, as on the server's own pages, is told as `login` or
 * `end` when somebody comes back to this tab: if it has listeners, and knows from `user` or `login` who was there.
 */
export type Change = 'login' | 'logout' | 'end';

/** Calls `listener` when somebody has logged in or out, in this tab or another one. Returns what ends that. */
export function onChange(listener: (change: Change) => void): () => void;
