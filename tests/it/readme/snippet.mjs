// README's snippet for a front end, in two tabs of Chromium.
//
// node snippet.mjs HOME URL SNIPPET: packages in HOME, the example `spa` at URL, the file with the snippet. It stands
// in a page of that site. Prints `ok` at the end. What is wrong is thrown.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url, file] = process.argv.slice(2);
const require = createRequire(join(home, 'package.json'));
const { chromium } = require('playwright-core');

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const context = await browser.newContext();
context.setDefaultTimeout(10_000);
const problems = [];
const html = `<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href=data:,><title>Notes</title>
<h1></h1><ul></ul><form><label>Name <input name=username></label><label>Password <input name=password type=password></label>
<button>Log in</button></form><button id=logout>Log out</button><script type=module src=/readme.js></script>`;
await context.route('**/readme.html', (route) => route.fulfill({ contentType: 'text/html', body: html }));
await context.route('**/readme.js', (route) =>
  route.fulfill({ contentType: 'text/javascript', body: readFileSync(file, 'utf8') }));

async function open() {
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`${url}/readme.html`);
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  return page;
}

async function enter(page, password) {
  await page.getByLabel('Name').fill('ann');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const password = 'through the looking glass';
const headers = { 'sec-fetch-site': 'same-origin' };
const made = await context.request.post(`${url}/auth/register`, { headers, data: { username: 'ann', password } });
assert.equal(made.status(), 201, await made.text());

const [one, two] = [await open(), await open()];
await enter(one, 'wrong password');
await one.getByRole('heading', { name: /credentials/ }).waitFor();
await enter(one, password);
// Both tabs show who it is.
for (const page of [one, two]) await page.getByRole('heading', { name: 'Hello, ann!' }).waitFor();
const added = await one.evaluate(() => import('/auth/client.js').then(({ json }) =>
  json('/notes', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '"milk"' })));
assert.equal(added, undefined);
await two.reload();
await two.getByText('ann: milk').waitFor();
// The access token has expired meanwhile, and nobody notices.
await one.waitForTimeout(1_500);
await one.reload();
await one.getByText('ann: milk').waitFor();
await two.getByRole('button', { name: 'Log out' }).click();
for (const page of [one, two]) {
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  assert.equal(await page.getByText('milk').count(), 0);
}

await browser.close();
assert.deepEqual(problems, [], 'no error is left');
console.log('ok');
