// The client script in Chromium: two tabs of one browser, and another browser of the same person.
//
// node tabs.mjs HOME URL: packages in HOME, the example `spa` at URL, whose access tokens last for one second.
// Prints `ok` at the end. What is wrong is thrown.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url] = process.argv.slice(2);
const require = createRequire(join(home, 'package.json'));
const { chromium } = require('playwright-core');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const password = 'through the looking glass';
const problems = [];

async function open(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('console', (line) => {
    if (line.type() === 'error' && !/status of (4|503)/.test(line.text())) problems.push(line.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  return page;
}

async function enter(page, name, secret, button) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(secret);
  await page.getByRole('button', { name: button }).click();
}

const hello = (page) => page.getByText('Hello, ann!').waitFor();
const stranger = (page) => page.getByRole('button', { name: 'Log in' }).waitFor();

// A login in one tab shows in the other.
const context = await browser.newContext();
const [one, two] = [await open(context), await open(context)];
await stranger(one);
await enter(one, 'ann', 'short', 'Make an account');
await one.getByText('fewer than 8').waitFor();
await enter(one, 'ann', password, 'Make an account');
await Promise.all([hello(one), hello(two)]);

// Parallel calls with tokens that have expired.
await one.waitForTimeout(1_500);
const many = () => import('/auth/client.js').then(({ json }) => Promise.all(Array.from({ length: 8 }, () => json('/notes'))));
assert.equal((await Promise.all([one.evaluate(many), two.evaluate(many)])).flat().length, 16);

// Where the server does not renew by itself, the script does: once for all calls.
let [renewals, refusals] = [0, 0];
one.on('request', (request) => { if (request.url().endsWith('/auth/refresh')) renewals += 1; });
await one.route('**/notes', (route) => {
  refusals += 1;
  if (refusals > 8) return route.continue();
  return route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"code":"token_expired","detail":"x"}' });
});
assert.equal((await one.evaluate(many)).length, 8);
assert.equal(renewals, 1);
await one.unroute('**/notes');

// A refusal that comes after the renewal, in this tab or another one, asks for no second one.
const expired = { status: 401, contentType: 'application/problem+json', body: '{"code":"token_expired","detail":"x"}' };
const ask = (page, path, method = 'GET') =>
  page.evaluate(([path, method]) => import('/auth/client.js').then(({ fetch }) => fetch(path, { method })).then((answer) => answer.status), [path, method]);
for (const other of [one, two]) {
  let [asked, came, release] = [0];
  const waits = new Promise((resolve) => { came = resolve; });
  const released = new Promise((resolve) => { release = resolve; });
  const seen = new Set();
  for (const page of new Set([one, other])) {
    await page.route('**/auth/refresh', (route) => { asked += 1; return route.continue(); });
    await page.route('**/notes?*', async (route) => {
      const { search } = new URL(route.request().url());
      if (seen.has(search)) return route.continue();
      seen.add(search);
      if (search === '?slow') { came(); await released; }
      return route.fulfill(expired);
    });
  }
  const slow = ask(other, '/notes?slow');
  await waits;
  assert.equal(await ask(one, '/notes?quick'), 200);
  release();
  assert.deepEqual([await slow, asked], [200, 1], 'one renewal for both');
  for (const page of new Set([one, other])) for (const path of ['**/auth/refresh', '**/notes?*']) await page.unroute(path);
}
renewals = 1;

// A server that cannot renew says nothing of the session, and a 401 of the application's own is none of ours.
const outage = { status: 503, contentType: 'application/problem+json', body: '{"code":"store_unavailable","detail":"x"}' };
let pins = 0;
await one.route('**/auth/refresh', (route) => route.fulfill(outage));
await one.route('**/notes', (route) => route.fulfill(expired));
await one.route('**/pin', (route) => {
  pins += 1;
  return route.fulfill({ ...expired, body: '{"code":"wrong_pin"}' });
});
const silent = await one.evaluate(() => import('/auth/client.js').then(async ({ fetch, onChange, user }) => {
  const told = [];
  const stop = onChange((change) => told.push(change));
  const statuses = [(await fetch('/notes')).status, (await fetch('/pin', { method: 'POST', body: '1' })).status];
  stop();
  return [statuses, told, (await user()).name];
}));
assert.deepEqual([silent, pins], [[[401, 401], [], 'ann'], 1]);
for (const path of ['**/auth/refresh', '**/notes', '**/pin']) await one.unroute(path);
renewals = 1;

// A refusal that is not about the session renews nothing, and has its code.
const refused = await one.evaluate(() => import('/auth/client.js').then(({ login, Problem }) =>
  login('ann', 'wrong password').catch((error) => [error instanceof Problem, error.status, error.code])));
assert.deepEqual(refused, [true, 401, 'invalid_credentials']);
assert.equal(renewals, 1);

// A note, and the other browser that ends this session.
await one.getByLabel('Note').fill('<b>bold</b>');
await one.getByRole('button', { name: 'Add' }).click();
await one.getByText('ann: <b>bold</b>').waitFor();
const phone = await open(await browser.newContext());
await enter(phone, 'ann', password, 'Log in');
await hello(phone);
const ended = await phone.evaluate(() => import('/auth/client.js').then(({ json }) => json('/auth/sessions', { method: 'DELETE' })));
assert.deepEqual(ended, { revoked: 1 });
await one.getByLabel('Note').fill('too late');
await one.getByRole('button', { name: 'Add' }).click();
await Promise.all([stranger(one), stranger(two)]);
await one.getByText('You are logged out.').waitFor();

// A logout in one tab shows in the other. Scripts see no cookie.
await enter(two, 'ann', password, 'Log in');
await Promise.all([hello(one), hello(two)]);
// A refusal to renew that comes when somebody has logged in again ends nothing: it was about the session before.
let asked = 0;
await one.route('**/notes', (route) => {
  asked += 1;
  return asked === 1 ? route.fulfill(expired) : route.continue();
});
await one.route('**/auth/refresh', async (route) => {
  await two.evaluate((password) => import('/auth/client.js').then(({ login }) => login('ann', password)), password);
  await hello(one);
  await route.fulfill({ ...expired, body: '{"code":"token_not_valid","detail":"x"}' });
});
const late = await one.evaluate(() => import('/auth/client.js').then(async ({ fetch, onChange }) => {
  const told = [];
  const stop = onChange((change) => told.push(change));
  const { status } = await fetch('/notes');
  stop();
  return [status, told];
}));
assert.deepEqual(late, [200, ['login']]);
for (const path of ['**/auth/refresh', '**/notes']) await one.unroute(path);
// What was meant for one person is not done for another one, who has logged in meanwhile in another tab.
const headers = { 'content-type': 'application/json' };
assert.equal((await fetch(`${url}/auth/register`, { method: 'POST', headers, body: JSON.stringify({ username: 'dora', password }) })).status, 201);
const enterElsewhere = (name) =>
  two.evaluate(([name, password]) => import('/auth/client.js').then(({ login }) => login(name, password)).then(() => undefined), [name, password]);
for (const [method, status, times] of [['POST', 401, 1], ['GET', 200, 2]]) {
  let asked = 0;
  await one.route('**/notes?late', async (route) => {
    asked += 1;
    if (asked > 1) return route.continue();
    await enterElsewhere('dora');
    await one.getByText('Hello, dora!').waitFor();
    return route.fulfill(expired);
  });
  assert.deepEqual([await ask(one, '/notes?late', method), asked], [status, times], method);
  await one.unroute('**/notes?late');
  await enterElsewhere('ann');
  await hello(one);
}
// A logout that the server refuses is none.
await one.route('**/auth/logout', (route) => route.fulfill(outage));
const inside = await one.evaluate(() => import('/auth/client.js').then(async ({ logout, onChange, Problem, user }) => {
  const told = [];
  const stop = onChange((change) => told.push(change));
  const refused = await logout().catch((error) => [error instanceof Problem, error.status, error.code]);
  stop();
  return [refused, told, (await user()).name];
}));
assert.deepEqual(inside, [[true, 503, 'store_unavailable'], [], 'ann']);
await one.unroute('**/auth/logout');
assert.equal(await one.evaluate('document.cookie'), '');
await two.getByRole('button', { name: 'Log out' }).click();
await Promise.all([stranger(one), stranger(two)]);
assert.equal(await one.evaluate(() => import('/auth/client.js').then(({ user }) => user())), null);
const everywhere = await one.evaluate(() => import('/auth/client.js').then(({ logout }) =>
  logout({ everywhere: true }).then(() => 'done', (error) => error.status)));
assert.equal(everywhere, 401, 'nobody is known, so nobody was logged out elsewhere');

// Each end is told, also if the login in between was not made with this script.
const ends = await one.evaluate(async (password) => {
  const { fetch, login, onChange } = await import('/auth/client.js');
  await login('ann', password);
  const told = [];
  const stop = onChange((change) => told.push(change));
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ username: 'ann', password });
  const end = () => window.fetch('/auth/logout_all', { method: 'POST' });
  const enter = () => window.fetch('/auth/obtain', { method: 'POST', headers, body });
  const statuses = [];
  for (const step of [end, () => undefined, enter, end]) {
    await step();
    statuses.push((await fetch('/notes')).status);
  }
  stop();
  return [statuses, told];
}, password);
assert.deepEqual(ends, [[401, 401, 200, 401], ['end', 'end']]);

// A request that says nothing of where it comes from stays so.
const [quiet] = await Promise.all([
  one.waitForRequest('**/notes?quiet'),
  one.evaluate(() => import('/auth/client.js').then(({ fetch }) =>
    fetch(new Request('/notes?quiet', { referrerPolicy: 'no-referrer' })).then(() => undefined))),
]);
assert.equal((await quiet.allHeaders()).referer, undefined);

// A browser that refuses to let tabs talk has a login all the same.
const lonely = await browser.newContext();
await lonely.addInitScript(() => {
  const denied = () => new DOMException('denied', 'SecurityError');
  window.BroadcastChannel = class { constructor() { throw denied(); } };
  LockManager.prototype.request = () => Promise.reject(denied());
});
const alone = await open(lonely);
await enter(alone, 'ann', password, 'Log in');
await hello(alone);
let [alones, lonelies] = [0, 0];
alone.on('request', (request) => { if (request.url().endsWith('/auth/refresh')) lonelies += 1; });
await alone.route('**/notes', (route) => {
  alones += 1;
  return alones <= 4 ? route.fulfill(expired) : route.continue();
});
const both = () => import('/auth/client.js').then(({ json }) => Promise.all(Array.from({ length: 4 }, () => json('/notes'))));
assert.equal((await alone.evaluate(both)).length, 4);
assert.equal(lonelies, 1);

await browser.close();
assert.deepEqual(problems, [], 'the console is silent');
console.log('ok');
