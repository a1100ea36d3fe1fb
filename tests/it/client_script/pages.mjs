// The client script beside the ready-made pages, in Chromium: what is done on a page, other tabs hear when somebody comes
// back to them.
//
// node pages.mjs HOME URL: packages in HOME. At URL are pages, routes with the script, and an empty page at /app.
// Prints `ok` at the end. What is wrong is thrown.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, url] = process.argv.slice(2);
const { chromium } = createRequire(join(home, 'package.json'))('playwright-core');
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
const context = await browser.newContext();
const password = 'through the looking glass';

/** Opens an empty page that has asked who is there, and counts what it asks. */
async function open({ listens = true, asks = true } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.asked = 0;
  page.on('request', (request) => { page.asked += Number(request.url().endsWith('/auth/me')); });
  await page.goto(`${url}/app`);
  await page.evaluate(async ([listens, asks]) => {
    const { onChange, user } = await import('/auth/client.js');
    globalThis.told = [];
    if (listens) onChange((change) => globalThis.told.push(change));
    if (asks) await user();
  }, [listens, asks]);
  page.asked = 0;
  return page;
}

/** Somebody comes back to the tab. Returns what its page was told since the last time, once the server has been asked. */
async function comeBack(page) {
  const answered = page.waitForResponse((answer) => answer.url().endsWith('/auth/me'));
  await page.evaluate(() => {
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('focus'));
  });
  await answered;
  // A renewal may follow, and what is told.
  await page.waitForLoadState('networkidle');
  return told(page);
}
const told = (page) => page.evaluate(() => new Promise((resolve) => setTimeout(() => resolve(globalThis.told.splice(0)), 50)));

const site = await context.newPage();
site.setDefaultTimeout(10_000);
async function enter(path, name) {
  await site.goto(`${url}/account/${path}`);
  await site.getByLabel('Name').fill(name);
  await site.getByLabel('Password').fill(password);
  await site.getByRole('button').click();
  await site.getByRole('heading', { name: 'Your devices' }).waitFor();
}
async function leave() {
  await site.goto(`${url}/account/logout`);
  await site.getByRole('main').getByRole('button').click();
  await site.getByText('You are logged out.').waitFor();
}

const [app, other] = [await open(), await open()];
assert.deepEqual(await comeBack(app), [], 'nobody is there, as before');

await enter('register', 'ann');
assert.deepEqual(await told(app), [], 'a page of the server tells nobody');
assert.deepEqual(await comeBack(app), ['login']);
assert.equal(app.asked, 2, 'the two signs of one return are one question');
assert.deepEqual(await told(other), ['login'], 'the tab that has noticed tells the others');
assert.deepEqual([await comeBack(app), await comeBack(other)], [[], []], 'each change once');

await leave();
assert.deepEqual(await comeBack(other), ['end']);
assert.deepEqual(await told(app), ['end']);
assert.deepEqual(await comeBack(app), []);

// Somebody else, in the place of the one before.
await enter('login', 'ann');
assert.deepEqual(await comeBack(app), ['login']);
await enter('register', 'bob');
assert.deepEqual(await comeBack(app), ['login']);
assert.deepEqual(await comeBack(app), []);

// A session that is ended elsewhere, and a server that does not say.
await app.route('**/auth/me', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"code":"store_unavailable"}' }));
assert.deepEqual(await comeBack(app), []);
await app.unroute('**/auth/me');
await site.goto(`${url}/account/devices`);
await site.getByRole('button', { name: 'Log out everywhere' }).click();
await site.getByText('You are logged out.').waitFor();
assert.deepEqual(await comeBack(app), ['end']);

// A page that does not listen, or has not asked who is there, asks for nothing by itself.
for (const page of [await open({ listens: false }), await open({ asks: false })]) {
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await told(page);
  assert.equal(page.asked, 0);
}

await browser.close();
console.log('ok');
