// One browser uses an app as people do: see `browsers.rs`.
//
// node field.mjs HOME BROWSER PROGRAM URL: packages in HOME, `chrome` or `firefox` at PROGRAM, the app at URL.
// Prints `ok` at the end. What is wrong is thrown.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [home, name, program, url] = process.argv.slice(2);
const puppeteer = createRequire(join(home, 'package.json'))('puppeteer-core');

const browser = await puppeteer.launch({
  browser: name,
  executablePath: program,
  headless: true,
  acceptInsecureCerts: true,
  // As people have it: pages are kept to go back to.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
  args: name === 'chrome'
    ? ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking']
    : [],
});
const context = await browser.createBrowserContext();
const page = await context.newPage();
page.setDefaultTimeout(20_000);
const text = () => page.evaluate('document.body.innerText');
const ask = (path, method) => page.evaluate(
  async (path, method) => (await fetch(path, { method })).status, path, method);

// Nobody is logged in: the page that was asked for says so, in words that every browser shows.
const refused = await page.goto(`${url}/private`);
assert.equal(refused.status(), 401);
assert.match(await text(), /not_authenticated|Authentication|log in/i);

await page.goto(`${url}/page`);
assert.equal(await ask('/bob', 'POST'), 200);
// Both cookies, as the browser keeps them.
const cookies = await context.cookies();
assert.deepEqual(cookies.map((cookie) => cookie.name).sort(), ['__Host-access_token', '__Host-refresh_token']);
for (const cookie of cookies) {
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, true, 'Lax', '/']);
}

// The access token has expired. The browser asks for 54 reports at once, with six connections: most requests
// wait with the cookies of before.
await ask('/later', 'POST');
const many = (count) => page.evaluate(async (count) => {
  const answers = await Promise.all(Array.from({ length: count }, () => fetch('/report')));
  return answers.map((answer) => answer.status);
}, count);
assert.deepEqual(await many(54), Array(54).fill(200));
assert.equal(await ask('/me', 'GET'), 200);

// Five streams of events leave one connection.
await page.evaluate(async () => {
  globalThis.streams = Array.from({ length: 5 }, () => new EventSource('/stream'));
  await Promise.all(streams.map((stream) => new Promise((resolve) => { stream.onmessage = resolve; })));
});
await ask('/later', 'POST');
assert.deepEqual(await many(20), Array(20).fill(200));
await page.evaluate(() => streams.forEach((stream) => stream.close()));
assert.equal(await ask('/me', 'GET'), 200);

// A private page, then another one, from which the user logs out. The way back shows nothing of before.
await page.goto(`${url}/private`);
assert.match(await text(), /Of bob/);
await page.goto(`${url}/page`);
assert.equal(await ask('/logout', 'POST'), 200);
assert.deepEqual(await context.cookies(), []);
await page.goBack({ waitUntil: 'load' }).catch(() => null);
assert.doesNotMatch(await text(), /Of bob/);

// The ready-made pages: somebody with two devices.
const device = async () => {
  const page = await (await browser.createBrowserContext()).newPage();
  page.setDefaultTimeout(20_000);
  return page;
};
const send = (page, form) => Promise.all([page.waitForNavigation(), page.click(`${form} button`)]);
const enter = async (page) => {
  await page.type('input[name=username]', 'ann');
  await page.type('input[name=password]', 'through the looking glass');
  await send(page, 'main form');
};
const [laptop, phone] = [await device(), await device()];
await laptop.goto(`${url}/account/register`);
await enter(laptop);
assert.equal(laptop.url(), `${url}/account/devices`);
assert.ok(await laptop.evaluate('document.styleSheets[0].cssRules.length') > 5, 'the policy lets the style sheet through');
await phone.goto(`${url}/account/password`);
await enter(phone);
assert.equal(phone.url(), `${url}/account/password`, 'back to the page that was asked for');
await laptop.reload();
assert.equal((await laptop.$$('main li')).length, 2);
await send(laptop, 'main li:nth-of-type(2)');
assert.match(await laptop.evaluate('document.body.innerText'), /That device is logged out/);
await phone.goto(`${url}/account/devices`);
assert.equal(new URL(phone.url()).pathname, '/account/login');
await laptop.goto(`${url}/account/logout`);
await send(laptop, 'main form');
assert.match(await laptop.evaluate('document.body.innerText'), /You are logged out/);
await laptop.goBack({ waitUntil: 'load' }).catch(() => null);
await laptop.goto(`${url}/account/devices`);
assert.equal(new URL(laptop.url()).pathname, '/account/login');

await browser.close();
console.log('ok');
