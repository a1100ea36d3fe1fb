// The front end of the example `spa` at an origin of its own, as from a development server.
//
// node front_end.mjs HOME URL API: packages in HOME, the files at URL, the program at API. Prints `ok` at the end.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url, api] = process.argv.slice(2);
const { chromium } = createRequire(join(home, 'package.json'))('playwright-core');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
const page = await (await browser.newContext()).newPage();
page.setDefaultTimeout(10_000);
await page.goto(url);
await page.getByLabel('Name').fill('ann');
await page.getByLabel('Password').fill('through the looking glass');
await page.getByRole('button', { name: 'Make an account' }).click();
await page.getByText('Hello, ann!').waitFor();
await page.getByLabel('Note').fill('from elsewhere');
await page.getByRole('button', { name: 'Add' }).click();
await page.getByText('ann: from elsewhere').waitFor();

const client = `${api}/auth/client.js`;
// A request object brings the cookies too, and one that says otherwise does not.
const asked = await page.evaluate(async ([client, notes]) => {
  const { fetch } = await import(client);
  const usual = await fetch(new Request(notes));
  const without = await fetch(new Request(notes, { credentials: 'omit' }));
  return [usual.status, without.status];
}, [client, `${api}/notes`]);
assert.deepEqual(asked, [200, 401]);
// And what it says of where it comes from.
const [quiet] = await Promise.all([
  page.waitForRequest('**/notes?quiet'),
  page.evaluate(([client, notes]) => import(client).then(({ fetch }) =>
    fetch(new Request(notes, { referrerPolicy: 'no-referrer' })).then((answer) => answer.status)), [client, `${api}/notes?quiet`]),
]);
assert.equal((await quiet.allHeaders()).referer, undefined);
// Another site gets no cookies, so it may answer anybody.
const third = 'http://third.example/open';
await page.route(third, (route) => route.fulfill({ body: 'open', headers: { 'access-control-allow-origin': '*' } }));
const open = ([client, third]) => import(client).then(({ fetch }) => fetch(third)).then((answer) => answer.status);
assert.equal(await page.evaluate(open, [client, third]), 200);

// An abort counts while the tokens are being renewed, and nobody else hears of it.
const refusal = (code) => ({
  status: 401, contentType: 'application/problem+json', body: JSON.stringify({ code, detail: 'x' }),
  headers: { 'access-control-allow-origin': url, 'access-control-allow-credentials': 'true' },
});
let release;
await page.route('**/auth/refresh', async (route) => {
  await new Promise((resolve) => { release = resolve; });
  await route.continue();
});
let refused = 0;
await page.route('**/notes', (route) => {
  refused += 1;
  return refused <= 2 ? route.fulfill(refusal('token_expired')) : route.continue();
});
const begun = page.evaluate(async ([client, notes]) => {
  const { fetch } = await import(client);
  const stop = new AbortController();
  const [patient, impatient] = [fetch(notes), fetch(notes, { signal: stop.signal })];
  setTimeout(() => stop.abort(new Error('enough')), 100);
  globalThis.patient = patient.then((answer) => answer.status);
  return impatient.then(() => 'answered', (error) => error.message);
}, [client, `${api}/notes`]);
assert.equal(await begun, 'enough');
release();
assert.equal(await page.evaluate(() => globalThis.patient), 200);
await page.unroute('**/auth/refresh');
await page.unroute('**/notes');

// A user who is gone needs a login, and a proxy that refuses everything says nothing of the session.
const told = async () => page.evaluate(async ([client, notes]) => {
  const { fetch, onChange, user } = await import(client);
  const changes = [];
  const stop = onChange((change) => changes.push(change));
  const { status } = await fetch(notes);
  stop();
  return [status, changes, (await user())?.name];
}, [client, `${api}/notes`]);
await page.route('**/notes', (route) => route.fulfill(refusal('token_expired')));
await page.route('**/auth/refresh', (route) => route.fulfill({ ...refusal(''), contentType: 'text/html', body: '<h1>No</h1>' }));
assert.deepEqual(await told(), [401, [], 'ann']);
await page.unroute('**/auth/refresh');
await page.unroute('**/notes');
await page.route('**/notes', (route) => route.fulfill(refusal('user_inactive')));
await page.route('**/me', (route) => route.fulfill(refusal('user_inactive')));
assert.deepEqual(await told(), [401, ['end'], undefined]);
await page.getByText('You are logged out.').waitFor();

await browser.close();
console.log('ok');
